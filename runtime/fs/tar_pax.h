// The records of one pax extended header (POSIX.1-2017 pax, "pax Extended Header"; sparse keys: GNU
// tar manual, "Storing Sparse Files"), parsed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::fs {

// A part of a sparse file that has data.
struct TarSegment {
  uint64_t offset = 0;
  uint64_t size = 0;
};

struct PaxRecords {
  std::optional<std::string> path;
  std::optional<std::string> link_path;
  std::optional<int64_t> uid;
  std::optional<int64_t> gid;
  std::optional<int64_t> size;
  std::optional<int64_t> mtime_ns;
  std::map<std::string, std::string> xattrs;  // portable ones

  // GNU sparse files.
  std::string sparse_major;
  std::string sparse_minor;
  std::optional<std::string> sparse_name;
  std::optional<int64_t> sparse_size;       // GNU.sparse.size
  std::optional<int64_t> sparse_real_size;  // GNU.sparse.realsize
  std::vector<TarSegment> sparse_map;       // formats 0.0 and 0.1
  bool has_sparse_map = false;
};

// Parses the data of an 'x' header. kInvalidArgument for records that do not add up.
StatusOr<PaxRecords> ParsePaxRecords(string_view data);

// Parses a decimal number of a pax record: digits, with a '-' before them if need be.
StatusOr<int64_t> ParsePaxNumber(string_view text);

}  // namespace cairn::fs
