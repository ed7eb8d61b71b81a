#include "runtime/fs/tar_writer.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/fs/tar_header.h"

namespace cairn::fs {
namespace {

constexpr char kZeros[2 * kTarBlock] = {};
constexpr char kPathKey[] = "path";

bool IsAscii(string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string AsciiOf(string_view text) {
  std::string ascii;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80) {
      ascii += c;
    }
  }
  return ascii;
}

// "<length> <key>=<value>\n", where length counts itself too.
std::string Record(string_view key, string_view value) {
  const size_t rest = key.size() + value.size() + 3;  // space, '=', newline
  size_t length = rest;
  length = rest + absl::StrCat(length).size();
  length = rest + absl::StrCat(length).size();
  return absl::StrCat(length, " ", key, "=", value, "\n");
}

// The slash that parts `path` into what the prefix field and the name field can hold, as late as
// the prefix allows (POSIX ustar); nullopt when there is none.
std::optional<size_t> FindPrefixEnd(string_view path) {
  if (!IsAscii(path)) {
    return std::nullopt;
  }
  // A slash at a directory's end parts nothing.
  const size_t last = std::min(path.size() - 2, tar_field::kPrefix.size);
  const size_t slash = path.rfind('/', last);
  if (slash == string_view::npos || slash == 0 || path.size() - slash - 1 > tar_field::kName.size) {
    return std::nullopt;
  }
  return slash;
}

int64_t FloorSeconds(int64_t nanoseconds) {
  const int64_t seconds = nanoseconds / 1'000'000'000;
  return nanoseconds % 1'000'000'000 < 0 ? seconds - 1 : seconds;
}

char TypeFlag(const TarEntry& entry) {
  if (entry.hard_link) {
    return '1';
  }
  switch (entry.kind) {
    case Kind::kSymlink:
      return '2';
    case Kind::kCharDevice:
      return '3';
    case Kind::kBlockDevice:
      return '4';
    case Kind::kDirectory:
      return '5';
    case Kind::kFifo:
      return '6';
    default:
      return '0';
  }
}

Status CheckEntry(const TarEntry& entry) {
  if (entry.path.empty() || entry.path.find('\0') != std::string::npos ||
      entry.link_target.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("tar entry \"", entry.path, "\": a bad name"));
  }
  if (entry.kind == Kind::kSocket) {
    return absl::InvalidArgumentError(
        absl::StrCat("tar entry \"", entry.path, "\": a socket has no place in an archive"));
  }
  return absl::OkStatus();
}

}  // namespace

Status TarWriter::WriteExtendedHeader(const TarEntry& entry, const std::string& records) {
  const size_t slash = entry.path.rfind('/', entry.path.size() - 2);
  std::string name = slash == std::string::npos
                         ? absl::StrCat("PaxHeaders.0/", entry.path)
                         : absl::StrCat(entry.path.substr(0, slash), "/PaxHeaders.0/",
                                        entry.path.substr(slash + 1));
  name = AsciiOf(name).substr(0, tar_field::kName.size);
  while (!name.empty() && name.back() == '/') {
    name.pop_back();
  }
  TarHeader header;
  header.SetText(tar_field::kName, name);
  for (const TarField field :
       {tar_field::kMode, tar_field::kUid, tar_field::kGid, tar_field::kMtime}) {
    header.SetNumber(field, 0);
  }
  header.SetNumber(tar_field::kSize, static_cast<int64_t>(records.size()));
  header.SetText(tar_field::kType, "x");
  header.SetText(tar_field::kMagic, string_view("ustar\00000", 8));
  header.SetChecksum();
  RETURN_IF_ERROR(sink_.Write(string_view(header.data(), kTarBlock)));
  RETURN_IF_ERROR(sink_.Write(records));
  const size_t padding = (kTarBlock - records.size() % kTarBlock) % kTarBlock;
  return sink_.Write(string_view(kZeros, padding));
}

Status TarWriter::Add(const TarEntry& given) {
  RETURN_IF_ERROR(FinishEntry());
  RETURN_IF_ERROR(CheckEntry(given));
  TarEntry entry = given;
  if (entry.kind == Kind::kDirectory && entry.path.back() != '/') {
    entry.path += '/';
  }
  if (entry.kind != Kind::kFile || entry.hard_link) {
    entry.size = 0;
  }
  if (entry.kind != Kind::kSymlink && !entry.hard_link) {
    entry.link_target.clear();
  }

  std::map<std::string, std::string> records;
  TarHeader header;
  const auto set_name = [&](TarField field, string_view key, const std::string& value) {
    if (value.size() > field.size || !IsAscii(value)) {
      records[std::string(key)] = value;
    }
    std::string ascii = AsciiOf(value);
    // A cut name must not become a directory's by ending in a slash.
    if (ascii.size() > field.size && ascii[field.size - 1] == '/') {
      ascii.resize(field.size);
      while (!ascii.empty() && ascii.back() == '/') {
        ascii.pop_back();
      }
    }
    header.SetText(field, ascii);
  };
  const auto set_number = [&](TarField field, string_view key, int64_t value) {
    if (!header.SetNumber(field, value)) {
      records[std::string(key)] = absl::StrCat(value);
    }
  };
  set_name(tar_field::kName, kPathKey, entry.path);
  header.SetNumber(tar_field::kMode, entry.metadata.mode & 07777);
  set_number(tar_field::kUid, "uid", entry.metadata.uid);
  set_number(tar_field::kGid, "gid", entry.metadata.gid);
  set_number(tar_field::kSize, "size", static_cast<int64_t>(entry.size));
  set_number(tar_field::kMtime, "mtime", FloorSeconds(entry.metadata.mtime_ns));
  header.data()[tar_field::kType.offset] = TypeFlag(entry);
  set_name(tar_field::kLinkName, "linkpath", entry.link_target);
  header.SetText(tar_field::kMagic, string_view("ustar\00000", 8));
  const bool device = entry.kind == Kind::kCharDevice || entry.kind == Kind::kBlockDevice;
  if (!header.SetNumber(tar_field::kDevMajor, device ? major(entry.device) : 0) ||
      !header.SetNumber(tar_field::kDevMinor, device ? minor(entry.device) : 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("tar entry \"", entry.path, "\": a device number too large"));
  }
  if (!entry.hard_link) {
    for (const auto& [name, value] : entry.metadata.xattrs) {
      if (name.find('=') != std::string::npos) {
        continue;  // a pax record has no way to say it
      }
      records[absl::StrCat("SCHILY.xattr.", name)] = value;
    }
  }
  if (records.size() == 1 && records.begin()->first == kPathKey) {
    if (const std::optional<size_t> slash = FindPrefixEnd(entry.path)) {
      header.SetText(tar_field::kPrefix, entry.path.substr(0, *slash));
      std::string rest = entry.path.substr(*slash + 1);
      rest.resize(tar_field::kName.size);  // over what the field holds already
      header.SetText(tar_field::kName, rest);
      records.clear();
    }
  }
  if (!records.empty()) {
    std::string text;
    for (const auto& [key, value] : records) {
      text += Record(key, value);
    }
    RETURN_IF_ERROR(WriteExtendedHeader(entry, text));
  }
  header.SetChecksum();
  RETURN_IF_ERROR(sink_.Write(string_view(header.data(), kTarBlock)));
  remaining_ = entry.size;
  padding_ = (kTarBlock - entry.size % kTarBlock) % kTarBlock;
  return absl::OkStatus();
}

Status TarWriter::AddFile(TarEntry entry, string_view data) {
  entry.kind = Kind::kFile;
  entry.hard_link = false;
  entry.size = data.size();
  RETURN_IF_ERROR(Add(entry));
  return Write(data);
}

Status TarWriter::Write(string_view data) {
  if (data.size() > remaining_) {
    return absl::FailedPreconditionError("tar entry: more data than its size");
  }
  RETURN_IF_ERROR(sink_.Write(data));
  remaining_ -= data.size();
  return absl::OkStatus();
}

Status TarWriter::FinishEntry() {
  if (remaining_ != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("tar entry: ", remaining_, " bytes of its data are missing"));
  }
  const uint64_t padding = padding_;
  padding_ = 0;
  return padding == 0 ? absl::OkStatus() : sink_.Write(string_view(kZeros, padding));
}

Status TarWriter::Finish() {
  RETURN_IF_ERROR(FinishEntry());
  return sink_.Write(string_view(kZeros, sizeof kZeros));
}

}  // namespace cairn::fs
