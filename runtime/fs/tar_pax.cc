#include "runtime/fs/tar_pax.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/fs/metadata.h"

namespace cairn::fs {
namespace {

Status BadPax(string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("pax header: ", what));
}

// "[-]seconds[.fraction]"; digits beyond nanoseconds are cut.
StatusOr<int64_t> ParseTime(string_view text) {
  const bool negative = absl::ConsumePrefix(&text, "-");
  const size_t dot = text.find('.');
  ASSIGN_OR_RETURN(const int64_t seconds, ParsePaxNumber(text.substr(0, dot)));
  int64_t nanoseconds = 0;
  if (dot != string_view::npos) {
    std::string fraction(text.substr(dot + 1));
    if (fraction.find_first_not_of("0123456789") != std::string::npos) {
      return BadPax("a bad time");
    }
    fraction.resize(9, '0');
    ASSIGN_OR_RETURN(nanoseconds, ParsePaxNumber(fraction));
  }
  if (seconds < 0) {
    return BadPax("a bad time");
  }
  return negative ? ToNanoseconds(-seconds, -nanoseconds) : ToNanoseconds(seconds, nanoseconds);
}

StatusOr<uint64_t> ParseOffset(string_view text) {
  ASSIGN_OR_RETURN(const int64_t value, ParsePaxNumber(text));
  if (value < 0) {
    return BadPax("a negative offset in a sparse map");
  }
  return static_cast<uint64_t>(value);
}

// Format 0.1: "offset,size,offset,size,..."
Status ParseSparseMap(string_view value, PaxRecords& records) {
  records.has_sparse_map = true;
  records.sparse_map.clear();
  const std::vector<string_view> numbers = absl::StrSplit(value, ',');
  if (numbers.size() % 2 != 0) {
    return BadPax("an odd sparse map");
  }
  for (size_t i = 0; i < numbers.size(); i += 2) {
    TarSegment segment;
    ASSIGN_OR_RETURN(segment.offset, ParseOffset(numbers[i]));
    ASSIGN_OR_RETURN(segment.size, ParseOffset(numbers[i + 1]));
    records.sparse_map.push_back(segment);
  }
  return absl::OkStatus();
}

Status AddSparse(string_view key, string_view value, PaxRecords& records) {
  if (key == "major") {
    records.sparse_major = std::string(value);
  } else if (key == "minor") {
    records.sparse_minor = std::string(value);
  } else if (key == "name") {
    records.sparse_name = std::string(value);
  } else if (key == "size") {
    ASSIGN_OR_RETURN(records.sparse_size, ParsePaxNumber(value));
  } else if (key == "realsize") {
    ASSIGN_OR_RETURN(records.sparse_real_size, ParsePaxNumber(value));
  } else if (key == "map") {
    return ParseSparseMap(value, records);
  } else if (key == "offset") {
    records.has_sparse_map = true;
    ASSIGN_OR_RETURN(const uint64_t offset, ParseOffset(value));
    records.sparse_map.push_back({offset, 0});
  } else if (key == "numbytes") {
    if (records.sparse_map.empty()) {
      return BadPax("a sparse size without an offset");
    }
    ASSIGN_OR_RETURN(records.sparse_map.back().size, ParseOffset(value));
  }
  return absl::OkStatus();
}

// An empty value takes an earlier record of the same header back.
template <typename T>
Status SetNumber(string_view value, StatusOr<int64_t> (*parse)(string_view), T& target) {
  if (value.empty()) {
    target.reset();
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(target, parse(value));
  return absl::OkStatus();
}

Status SetName(string_view value, std::optional<std::string>& target) {
  if (value.find('\0') != string_view::npos) {
    return BadPax("a NUL byte in a name");
  }
  target.reset();
  if (!value.empty()) {
    target = std::string(value);
  }
  return absl::OkStatus();
}

Status AddRecord(string_view key, string_view value, PaxRecords& records) {
  if (key == "path") {
    return SetName(value, records.path);
  }
  if (key == "linkpath") {
    return SetName(value, records.link_path);
  }
  if (key == "uid") {
    return SetNumber(value, &ParsePaxNumber, records.uid);
  }
  if (key == "gid") {
    return SetNumber(value, &ParsePaxNumber, records.gid);
  }
  if (key == "size") {
    return SetNumber(value, &ParsePaxNumber, records.size);
  }
  if (key == "mtime") {
    return SetNumber(value, &ParseTime, records.mtime_ns);
  }
  if (absl::ConsumePrefix(&key, "SCHILY.xattr.")) {
    if (IsPortableXattr(key)) {
      records.xattrs[std::string(key)] = std::string(value);
    }
    return absl::OkStatus();
  }
  if (absl::ConsumePrefix(&key, "GNU.sparse.")) {
    return AddSparse(key, value, records);
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<int64_t> ParsePaxNumber(string_view text) {
  int64_t value = 0;
  const string_view digits = absl::StartsWith(text, "-") ? text.substr(1) : text;
  if (digits.empty() || digits.find_first_not_of("0123456789") != string_view::npos ||
      !absl::SimpleAtoi(text, &value)) {
    return BadPax("a bad number");
  }
  return value;
}

StatusOr<PaxRecords> ParsePaxRecords(string_view data) {
  PaxRecords records;
  while (!data.empty()) {
    const size_t space = data.find(' ');
    if (space == string_view::npos || space == 0 || space > 10) {
      return BadPax("a record without a length");
    }
    ASSIGN_OR_RETURN(const int64_t length, ParsePaxNumber(data.substr(0, space)));
    if (length < 0 || static_cast<uint64_t>(length) > data.size() ||
        static_cast<uint64_t>(length) < space + 4) {
      return BadPax("a record whose length is wrong");
    }
    string_view record = data.substr(space + 1, static_cast<size_t>(length) - space - 1);
    data.remove_prefix(static_cast<size_t>(length));
    const size_t equals = record.find('=');
    if (record.back() != '\n' || equals == string_view::npos || equals == 0) {
      return BadPax("a record whose length is wrong");
    }
    record.remove_suffix(1);
    const string_view key = record.substr(0, equals);
    if (key.find('\0') != string_view::npos) {
      return BadPax("a NUL byte in a key");
    }
    RETURN_IF_ERROR(AddRecord(key, record.substr(equals + 1), records));
  }
  return records;
}

}  // namespace cairn::fs
