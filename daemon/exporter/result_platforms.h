// Which platforms a result is for, and which of its parts belong to each.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/exporter/exporter.h"
#include "runtime/base/platform.h"

namespace cairn::exporter {

struct ResultPlatform {
  std::string id;  // as the frontend calls it, "linux/amd64"
  Platform platform;
  std::optional<layer::Chain> chain;  // nullopt is scratch
};

// The platforms of `result` in the frontend's order ("refs.platforms"); without that list the one
// of its image config, or of this machine. kInvalidArgument when refs and list do not match.
StatusOr<std::vector<ResultPlatform>> PlatformsOf(const SolvedResult& result);

// Whether the result has a ref per platform.
inline bool IsMap(const SolvedResult& result) { return !result.by_platform.empty(); }

// The value of `key` for a platform ("<key>/<id>"), else of `key`; nullptr when there is none.
const std::string* FindMetadata(const std::map<std::string, std::string>& metadata,
                                const std::string& key, const std::string& platform_id);

// The time that the frontend gave for all of the result (SOURCE_DATE_EPOCH), in Unix seconds.
StatusOr<std::optional<int64_t>> EpochOf(const std::map<std::string, std::string>& metadata,
                                         const std::string& platform_id);

// An exporter attribute that is true or false; an empty value is true.
StatusOr<bool> ParseBool(const std::string& key, const std::string& value);

// The attribute source-date-epoch: Unix seconds, or nothing when the value is empty.
StatusOr<std::optional<int64_t>> ParseEpoch(const std::string& value);

}  // namespace cairn::exporter
