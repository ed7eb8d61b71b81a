// The values of RUN's --mount and --device flags.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "runtime/base/status.h"

namespace cairn::dockerfile {

enum class MountType { kBind, kCache, kTmpfs, kSecret, kSsh };
enum class CacheSharing { kUnset, kShared, kPrivate, kLocked };

const char* MountTypeName(MountType type);

struct RunMount {
  MountType type = MountType::kBind;
  std::string from;    // stage, image or named context; "" is the build context (bind) or nothing
  std::string source;  // path in `from`; for a secret its id
  std::string target;
  bool read_only = false;
  int64_t size_limit = 0;  // bytes, tmpfs only; 0 is no limit
  std::string id;          // of the cache, secret or ssh agent
  CacheSharing sharing = CacheSharing::kUnset;
  bool required = false;
  std::optional<std::string> env;  // secret: name of the variable; "" is the default name
  std::optional<uint32_t> mode;
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
};

struct RunDevice {
  std::string name;
  bool required = false;
};

using WordExpander = std::function<StatusOr<std::string>(string_view)>;

// Parses the comma-separated fields of --mount. Without an expander only `from` is read (stages
// must be known before variables are); with one, everything is, and all rules are checked.
StatusOr<RunMount> ParseMount(string_view text, const WordExpander& expand);

StatusOr<RunDevice> ParseDevice(string_view text);

}  // namespace cairn::dockerfile
