#include "daemon/ops/file_mode.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn::ops {
namespace {

constexpr uint32_t kUser = 04700;
constexpr uint32_t kGroup = 02070;
constexpr uint32_t kOther = 00007;
constexpr uint32_t kSticky = 01000;
constexpr uint32_t kEverybody = kUser | kGroup | kOther;

// The bits of each permission letter for everybody.
uint32_t BitsOf(char letter) {
  switch (letter) {
    case 'r':
      return 0444;
    case 'w':
      return 0222;
    case 'x':
    case 'X':
      return 0111;
    case 's':
      return 06000;
    case 't':
      return kSticky;
  }
  return 0;
}

// The permissions of one class in `mode`, given to all classes.
uint32_t Spread(uint32_t mode, char from) {
  const int shift = from == 'u' ? 6 : from == 'g' ? 3 : 0;
  const uint32_t bits = (mode >> shift) & 7;
  return bits << 6 | bits << 3 | bits;
}

StatusOr<FileMode> ParseNumber(string_view text, const Status& invalid) {
  uint32_t mode = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '7' || mode > 07777) {
      return invalid;
    }
    mode = mode * 8 + static_cast<uint32_t>(digit - '0');
  }
  return mode > 07777 ? StatusOr<FileMode>(invalid) : FileMode::Exactly(mode);
}

// Takes the classes at the front of `text`.
uint32_t TakeWho(string_view& text) {
  uint32_t who = 0;
  for (; !text.empty() && string_view("ugoa").find(text[0]) != string_view::npos;
       text.remove_prefix(1)) {
    who |= text[0] == 'u' ? kUser : text[0] == 'g' ? kGroup : text[0] == 'o' ? kOther : kEverybody;
  }
  return who;
}

}  // namespace

FileMode FileMode::Exactly(uint32_t mode) {
  FileMode result;
  result.exact_ = mode & 07777;
  return result;
}

StatusOr<FileMode> FileMode::Parse(string_view text) {
  const Status invalid = absl::InvalidArgumentError(absl::StrCat("invalid mode: \"", text, "\""));
  if (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    return ParseNumber(text, invalid);
  }
  FileMode result;
  do {
    const uint32_t who = TakeWho(text);
    do {
      if (text.empty() || string_view("+-=").find(text[0]) == string_view::npos) {
        return invalid;
      }
      const char op = text[0];
      text.remove_prefix(1);
      result.AddOperation(op, who, text);
    } while (!text.empty() && text[0] != ',');
  } while (absl::ConsumePrefix(&text, ","));
  return result;
}

void FileMode::AddBits(char op, uint32_t who, uint32_t bits) {
  if (op == '=') {
    changes_.push_back({.op = '-', .bits = who == 0 ? kEverybody : who});
  }
  changes_.push_back({.op = op == '-' ? '-' : '+', .bits = who == 0 ? bits : who & bits});
}

void FileMode::AddOperation(char op, uint32_t who, string_view& text) {
  uint32_t bits = 0;
  bool execute_if_any = false;
  bool is_done = op != '=';  // whether "=" has cleared what it clears
  const auto flush = [&] {
    if (bits != 0 || !is_done) {
      AddBits(op, who, bits);
      is_done = true;
    }
    if (execute_if_any) {
      changes_.push_back({.bits = who == 0 ? 0111 : who & 0111, .execute_if_any = true});
    }
    bits = 0;
    execute_if_any = false;
  };
  for (; !text.empty(); text.remove_prefix(1)) {
    const char letter = text[0];
    if (letter == 'u' || letter == 'g' || letter == 'o') {
      is_done = true;
      flush();
      const uint32_t classes = (who == 0 ? kEverybody : who) & 0777;
      changes_.push_back({.op = op, .bits = classes, .copy_from = letter});
      continue;
    }
    if (BitsOf(letter) == 0) {
      break;
    }
    if (letter == 'X' && op != '-') {
      execute_if_any = true;
      continue;
    }
    const bool is_special = letter == 's' || letter == 't';
    if (is_special && who != 0 && (who & ~kOther) == 0) {
      continue;  // no class of its own has those
    }
    who |= letter == 't' ? kSticky : 0;
    bits |= BitsOf(letter);
  }
  flush();
}

uint32_t FileMode::Apply(uint32_t mode, bool is_directory) const {
  if (exact_) {
    return *exact_;
  }
  const bool may_execute = is_directory || (mode & 0111) != 0;
  for (const Change& change : changes_) {
    if (change.execute_if_any && !may_execute) {
      continue;
    }
    const uint32_t bits =
        change.copy_from == 0 ? change.bits : Spread(mode, change.copy_from) & change.bits;
    if (change.op == '=') {
      mode &= ~change.bits;
    }
    mode = change.op == '-' ? mode & ~bits : mode | bits;
  }
  return mode & 07777;
}

}  // namespace cairn::ops
