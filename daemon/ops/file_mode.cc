#include "daemon/ops/file_mode.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::ops {
namespace {

constexpr uint32_t kUser = 04700;
constexpr uint32_t kGroup = 02070;
constexpr uint32_t kOther = 01007;

// The bits of each permission letter for everybody.
uint32_t BitsOf(char letter) {
  switch (letter) {
    case 'r':
      return 0444;
    case 'w':
      return 0222;
    case 'x':
      return 0111;
    case 's':
      return 06000;
    case 't':
      return 01000;
  }
  return 0;
}

// The permissions of one class in `mode`, given to all classes.
uint32_t Spread(uint32_t mode, char from) {
  const int shift = from == 'u' ? 6 : from == 'g' ? 3 : 0;
  const uint32_t bits = (mode >> shift) & 7;
  return bits << 6 | bits << 3 | bits;
}

}  // namespace

FileMode FileMode::Exactly(uint32_t mode) {
  FileMode result;
  result.exact_ = mode & 07777;
  return result;
}

StatusOr<FileMode> FileMode::Parse(string_view text) {
  const Status invalid = absl::InvalidArgumentError(absl::StrCat("invalid mode: \"", text, "\""));
  if (!text.empty() && text.find_first_not_of("01234567") == string_view::npos) {
    if (text.size() > 6) {
      return invalid;
    }
    uint32_t mode = 0;
    for (const char digit : text) {
      mode = mode * 8 + static_cast<uint32_t>(digit - '0');
    }
    if (mode > 07777) {
      return invalid;
    }
    return Exactly(mode);
  }
  FileMode result;
  for (const string_view clause : absl::StrSplit(text, ',')) {
    size_t i = 0;
    uint32_t who = 0;
    for (; i < clause.size() && string_view("ugoa").find(clause[i]) != string_view::npos; ++i) {
      who |= clause[i] == 'u'   ? kUser
             : clause[i] == 'g' ? kGroup
             : clause[i] == 'o' ? kOther
                                : 07777;
    }
    if (i == clause.size()) {
      return invalid;
    }
    while (i < clause.size()) {
      Change change{.op = clause[i], .who = who == 0 ? 07777u : who};
      if (string_view("+-=").find(change.op) == string_view::npos) {
        return invalid;
      }
      ++i;
      if (i < clause.size() && string_view("ugo").find(clause[i]) != string_view::npos) {
        change.copy_from = clause[i++];
      }
      for (; change.copy_from == 0 && i < clause.size() &&
             string_view("rwxXst").find(clause[i]) != string_view::npos;
           ++i) {
        change.execute_if_any |= clause[i] == 'X';
        change.bits |= BitsOf(clause[i]);
      }
      result.changes_.push_back(change);
    }
  }
  return result;
}

uint32_t FileMode::Apply(uint32_t mode, bool is_directory) const {
  if (exact_) {
    return *exact_;
  }
  for (const Change& change : changes_) {
    uint32_t bits = change.copy_from != 0 ? Spread(mode, change.copy_from) : change.bits;
    if (change.execute_if_any && (is_directory || (mode & 0111) != 0)) {
      bits |= 0111;
    }
    bits &= change.who;
    if (change.op == '+') {
      mode |= bits;
    } else if (change.op == '-') {
      mode &= ~bits;
    } else {
      // As chmod does, "=" leaves the special bits of a directory that it does not name.
      const uint32_t cleared = is_directory ? change.who & 0777 : change.who;
      mode = (mode & ~cleared) | bits;
    }
  }
  return mode & 07777;
}

}  // namespace cairn::ops
