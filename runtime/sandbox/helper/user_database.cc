#include "runtime/sandbox/helper/user_database.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>

#include "runtime/sandbox/helper/reporter.h"
#include "runtime/sandbox/helper/root_path.h"

namespace cairn::sandbox {
namespace {

constexpr size_t kMaxFileBytes = 10 << 20;
constexpr uint64_t kMaxId = 2147483647;

struct PasswdEntry {
  std::string name;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string home;
};

struct GroupEntry {
  std::string name;
  uint32_t gid = 0;
  std::vector<std::string> members;
};

bool AllDigits(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A plain number: decimal digits, no leading zero, in range.
std::optional<uint32_t> ParseId(const std::string& text) {
  if (!AllDigits(text) || text.size() > 10 || (text.size() > 1 && text[0] == '0')) {
    return std::nullopt;
  }
  const uint64_t value = std::stoull(text);
  return value <= kMaxId ? std::optional<uint32_t>(static_cast<uint32_t>(value)) : std::nullopt;
}

bool IsIdOrRoot(const std::string& text) { return text == "root" || ParseId(text).has_value(); }

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (;;) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end == std::string::npos ? end : end - begin));
    if (end == std::string::npos) {
      return parts;
    }
    begin = end + 1;
  }
}

// Reads `path` inside `root`. A missing file is an empty one.
std::string ReadUserFile(int root, const char* path, std::string& error) {
  const ScopedFd file = OpenInRoot(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file.valid()) {
    if (errno != ENOENT && errno != ENOTDIR) {
      error = std::string("open ") + path + ": " + ErrorText(errno);
    }
    return {};
  }
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    error = std::string(path) + " is not a regular file";
    return {};
  }
  std::string data;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0) {
      error = std::string("read ") + path + ": " + ErrorText(errno);
      return {};
    }
    if (got == 0) {
      return data;
    }
    data.append(buffer, static_cast<size_t>(got));
    if (data.size() > kMaxFileBytes) {
      error = std::string(path) + " exceeds " + std::to_string(kMaxFileBytes) + " bytes";
      return {};
    }
  }
}

// The lines that have at least `fields` fields; others are skipped, as getpwent(3) does.
std::vector<std::vector<std::string>> ParseLines(const std::string& data, size_t fields) {
  std::vector<std::vector<std::string>> lines;
  for (const std::string& line : Split(data, '\n')) {
    if (line.empty() || line[0] == '#') {
      continue;
    }
    std::vector<std::string> parts = Split(line, ':');
    if (parts.size() >= fields) {
      lines.push_back(std::move(parts));
    }
  }
  return lines;
}

std::vector<PasswdEntry> ReadPasswd(int root, std::string& error) {
  std::vector<PasswdEntry> entries;
  for (std::vector<std::string>& parts : ParseLines(ReadUserFile(root, "etc/passwd", error), 4)) {
    const std::optional<uint32_t> uid = ParseId(parts[2]);
    const std::optional<uint32_t> gid = ParseId(parts[3]);
    if (uid.has_value() && gid.has_value()) {
      entries.push_back({parts[0], *uid, *gid, parts.size() > 5 ? parts[5] : std::string()});
    }
  }
  return entries;
}

std::vector<GroupEntry> ReadGroups(int root, std::string& error) {
  std::vector<GroupEntry> entries;
  for (std::vector<std::string>& parts : ParseLines(ReadUserFile(root, "etc/group", error), 3)) {
    const std::optional<uint32_t> gid = ParseId(parts[2]);
    if (gid.has_value()) {
      entries.push_back(
          {parts[0], *gid, parts.size() > 3 ? Split(parts[3], ',') : std::vector<std::string>()});
    }
  }
  return entries;
}

std::string OutOfRange() { return "uids and gids must be in range 0-" + std::to_string(kMaxId); }

// Fills in the user part; `name` gets the matching entry's name, if there is one.
std::string FindUser(const std::vector<PasswdEntry>& entries, const std::string& text,
                     UserIdentity& identity, std::string& name) {
  const std::optional<uint32_t> id = ParseId(text);
  for (const PasswdEntry& entry : entries) {
    if (id.has_value() ? entry.uid == *id : entry.name == text) {
      identity.uid = entry.uid;
      identity.gid = entry.gid;
      identity.home = entry.home.empty() ? "/" : entry.home;
      name = entry.name;
      return {};
    }
  }
  if (id.has_value()) {
    identity.uid = *id;
    return {};
  }
  if (AllDigits(text) || (text[0] == '-' && AllDigits(text.substr(1)))) {
    return OutOfRange();
  }
  return "unable to find user " + text + ": no matching entries in passwd file";
}

std::string FindGroup(const std::vector<GroupEntry>& entries, const std::string& text,
                      UserIdentity& identity) {
  const std::optional<uint32_t> id = ParseId(text);
  if (id.has_value()) {
    identity.gid = *id;
    return {};
  }
  for (const GroupEntry& entry : entries) {
    if (entry.name == text) {
      identity.gid = entry.gid;
      return {};
    }
  }
  if (AllDigits(text)) {
    return OutOfRange();
  }
  return "unable to find group " + text + ": no matching entries in group file";
}

// Fills in all but the group of the process itself, which is one of its groups, too.
std::string ResolveIds(int root, const std::string& text, UserIdentity& identity) {
  const size_t colon = text.find(':');
  const bool has_group = colon != std::string::npos;
  std::string user = text.empty() ? "0" : text.substr(0, colon);
  std::string group = has_group ? text.substr(colon + 1) : std::string();
  if (user.empty() || (has_group && group.empty())) {
    return "invalid user " + text;
  }
  // With both given, root needs no file; alone it is a name like any other.
  if (has_group && IsIdOrRoot(user) && IsIdOrRoot(group)) {
    user = user == "root" ? "0" : user;
    group = group == "root" ? "0" : group;
  }
  std::string error;
  std::string name;
  const std::vector<PasswdEntry> users = ReadPasswd(root, error);
  if (!error.empty()) {
    // Numbers need no file.
    if (!ParseId(user).has_value()) {
      return error;
    }
    error.clear();
  }
  std::string message = FindUser(users, user, identity, name);
  if (!message.empty() || (has_group && ParseId(group).has_value())) {
    return message.empty() ? FindGroup({}, group, identity) : message;
  }
  if (!has_group && name.empty()) {
    return {};
  }
  const std::vector<GroupEntry> groups = ReadGroups(root, error);
  if (!error.empty()) {
    return error;
  }
  if (has_group) {
    return FindGroup(groups, group, identity);
  }
  for (const GroupEntry& entry : groups) {
    if (entry.gid != identity.gid &&
        std::find(entry.members.begin(), entry.members.end(), name) != entry.members.end()) {
      identity.groups.push_back(entry.gid);
    }
  }
  return {};
}

}  // namespace

std::string ResolveUser(int root, const std::string& text, UserIdentity& identity) {
  identity = UserIdentity();
  std::string error = ResolveIds(root, text, identity);
  // As other runtimes have it: id(1) lists the group, and what checks supplementary groups alone
  // finds it.
  identity.groups.insert(identity.groups.begin(), identity.gid);
  return error;
}

}  // namespace cairn::sandbox
