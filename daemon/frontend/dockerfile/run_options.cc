#include "daemon/frontend/dockerfile/run_options.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/location.h"
#include "daemon/frontend/dockerfile/text.h"
#include "runtime/base/fields.h"

namespace cairn::dockerfile {
namespace {

constexpr std::pair<const char*, MountType> kMountTypes[] = {
    {"bind", MountType::kBind},     {"cache", MountType::kCache}, {"tmpfs", MountType::kTmpfs},
    {"secret", MountType::kSecret}, {"ssh", MountType::kSsh},
};
constexpr std::pair<const char*, CacheSharing> kSharings[] = {
    {"shared", CacheSharing::kShared},
    {"private", CacheSharing::kPrivate},
    {"locked", CacheSharing::kLocked},
};

// The enumerator called `value` (any case), or an error with a suggestion.
template <typename T, size_t N>
StatusOr<T> ParseName(const std::pair<const char*, T> (&names)[N], string_view what,
                      const std::string& value) {
  const std::string lower = absl::AsciiStrToLower(value);
  std::vector<std::string> all;
  for (const auto& name : names) {
    if (lower == name.first) {
      return name.second;
    }
    all.emplace_back(name.first);
  }
  return WithSuggestion(Error(absl::StrCat("unsupported ", what, " ", Quote(value))), value, all,
                        true);
}

Status InvalidValue(string_view key, string_view value) {
  return Error(absl::StrCat("invalid value for ", key, ": ", value));
}

Status UnexpectedForType(string_view key, MountType type) {
  return Error(
      absl::StrCat("unexpected key '", key, "' for mount type '", MountTypeName(type), "'"));
}

StatusOr<bool> ParseFlag(string_view key, string_view value) {
  const StatusOr<bool> parsed = ParseBool(value);
  return parsed.ok() ? parsed : InvalidValue(key, value);
}

StatusOr<uint32_t> ParseNumber(string_view key, const std::string& value, int base) {
  uint64_t number = 0;
  bool is_valid = !value.empty() && value.size() <= 11;
  for (const char c : value) {
    is_valid = is_valid && c >= '0' && c < '0' + base;
    number = number * base + (c - '0');
  }
  if (!is_valid || number > 0xFFFFFFFF) {
    return Error(absl::StrCat("invalid value ", value, " for ", key));
  }
  return static_cast<uint32_t>(number);
}

bool TakesRequired(MountType type) { return type == MountType::kSecret || type == MountType::kSsh; }

class MountParser {
 public:
  explicit MountParser(const WordExpander& expand) : expand_(expand) {}

  StatusOr<RunMount> Run(const std::vector<std::string>& fields) {
    for (const std::string& field : fields) {
      const size_t equals = field.find('=');
      const std::string key = absl::AsciiStrToLower(field.substr(0, equals));
      if (equals == std::string::npos) {
        RETURN_IF_ERROR(HandleWord(key, field));
      } else {
        RETURN_IF_ERROR(HandlePair(key, field.substr(equals + 1), field));
      }
    }
    RETURN_IF_ERROR(Check());
    return std::move(mount_);
  }

 private:
  Status HandleWord(const std::string& key, const std::string& field) {
    if (!expand_) {
      return absl::OkStatus();
    }
    if (key == "readonly" || key == "ro" || key == "readwrite" || key == "rw") {
      SetReadOnly(key == "readonly" || key == "ro");
      return absl::OkStatus();
    }
    if (key == "required") {
      if (!TakesRequired(mount_.type)) {
        return UnexpectedForType(key, mount_.type);
      }
      mount_.required = true;
      return absl::OkStatus();
    }
    return Error(absl::StrCat("invalid field '", field, "' must be a key=value pair"));
  }

  Status HandlePair(const std::string& key, std::string value, const std::string& field) {
    if (expand_) {
      ASSIGN_OR_RETURN(value, expand_(value));
      return Set(key, value, field);
    }
    if (key != "from") {
      return absl::OkStatus();
    }
    const size_t dollar = value.find('$');
    if (dollar != std::string::npos && dollar + 1 != value.size()) {
      return Error(absl::StrCat("'", key,
                                "' doesn't support variable expansion, define alias stage "
                                "instead"));
    }
    return Set(key, value, field);
  }

  Status Set(const std::string& key, const std::string& value, const std::string& field) {
    if (key == "type") {
      ASSIGN_OR_RETURN(mount_.type, ParseName(kMountTypes, "mount type", value));
    } else if (key == "from") {
      mount_.from = value;
    } else if (key == "source" || key == "src") {
      mount_.source = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
      mount_.target = value;
    } else if (key == "readonly" || key == "ro") {
      ASSIGN_OR_RETURN(const bool read_only, ParseFlag(key, value));
      SetReadOnly(read_only);
    } else if (key == "readwrite" || key == "rw") {
      ASSIGN_OR_RETURN(const bool writable, ParseFlag(key, value));
      SetReadOnly(!writable);
    } else if (key == "id") {
      mount_.id = value;
    } else if (key == "sharing") {
      ASSIGN_OR_RETURN(mount_.sharing, ParseName(kSharings, "sharing value", value));
    } else if (key == "mode") {
      ASSIGN_OR_RETURN(mount_.mode, ParseNumber(key, value, 8));
    } else if (key == "uid") {
      ASSIGN_OR_RETURN(mount_.uid, ParseNumber(key, value, 10));
    } else if (key == "gid") {
      ASSIGN_OR_RETURN(mount_.gid, ParseNumber(key, value, 10));
    } else if (key == "env") {
      mount_.env = value;
    } else {
      return SetForType(key, value, field);
    }
    return absl::OkStatus();
  }

  // Keys that only some types have; the type must stand before them.
  Status SetForType(const std::string& key, const std::string& value, const std::string& field) {
    if (key == "required") {
      if (!TakesRequired(mount_.type)) {
        return UnexpectedForType(key, mount_.type);
      }
      ASSIGN_OR_RETURN(mount_.required, ParseFlag(key, value));
      return absl::OkStatus();
    }
    if (key == "size") {
      if (mount_.type != MountType::kTmpfs) {
        return UnexpectedForType(key, mount_.type);
      }
      const StatusOr<int64_t> size = ParseMemorySize(value);
      if (!size.ok()) {
        return InvalidValue(key, value);
      }
      mount_.size_limit = *size;
      return absl::OkStatus();
    }
    return WithSuggestion(
        Error(absl::StrCat("unexpected key '", key, "' in '", field, "'")), key,
        {"type", "from", "source", "target", "readonly", "id", "sharing", "required", "size",
         "mode", "uid", "gid", "src", "dst", "destination", "ro", "rw", "readwrite", "env"},
        true);
  }

  void SetReadOnly(bool read_only) {
    mount_.read_only = read_only;
    access_given_ = true;
  }

  Status Check() {
    const MountType type = mount_.type;
    if (type == MountType::kBind || type == MountType::kTmpfs) {
      const std::pair<const char*, bool> given[] = {{"mode", mount_.mode.has_value()},
                                                    {"uid", mount_.uid.has_value()},
                                                    {"gid", mount_.gid.has_value()}};
      for (const auto& [name, is_given] : given) {
        if (is_given) {
          return Error(
              absl::StrCat(name, " not allowed for ", Quote(MountTypeName(type)), " type mounts"));
        }
      }
    }
    if (!access_given_) {
      mount_.read_only = type != MountType::kCache && type != MountType::kTmpfs;
    }
    if (type == MountType::kSecret) {
      if (!mount_.from.empty()) {
        return Error("secret mount should not have a from");
      }
      if (mount_.sharing != CacheSharing::kUnset) {
        return Error("secret mount should not define sharing");
      }
      if (mount_.source.empty() && mount_.target.empty() && mount_.id.empty()) {
        return Error("invalid secret mount. one of source, target required");
      }
      if (!mount_.source.empty() && !mount_.id.empty()) {
        return Error("both source and id can't be set");
      }
    }
    if (mount_.sharing != CacheSharing::kUnset && type != MountType::kCache) {
      return Error(absl::StrCat("invalid cache sharing set for ", MountTypeName(type), " mount"));
    }
    return absl::OkStatus();
  }

  const WordExpander& expand_;
  RunMount mount_;
  bool access_given_ = false;
};

}  // namespace

const char* MountTypeName(MountType type) {
  for (const auto& [name, value] : kMountTypes) {
    if (value == type) {
      return name;
    }
  }
  return "";
}

StatusOr<RunMount> ParseMount(string_view text, const WordExpander& expand) {
  ASSIGN_OR_RETURN_IN(const std::vector<std::string> fields, SplitFields(text),
                      "failed to parse csv mounts");
  return MountParser(expand).Run(fields);
}

StatusOr<RunDevice> ParseDevice(string_view text) {
  ASSIGN_OR_RETURN_IN(const std::vector<std::string> fields, SplitFields(text),
                      "failed to parse csv devices");
  RunDevice device;
  for (const std::string& field : fields) {
    const size_t equals = field.find('=');
    const bool has_value = equals != std::string::npos;
    const std::string key = absl::AsciiStrToLower(field.substr(0, equals));
    const std::string value = has_value ? field.substr(equals + 1) : "";
    if (key == "required") {
      const StatusOr<bool> required = has_value ? ParseBool(value) : StatusOr<bool>(true);
      if (!required.ok()) {
        return InvalidValue(key, value);
      }
      device.required = *required;
    } else if (key == "name" && has_value) {
      if (!device.name.empty()) {
        return Error(absl::StrCat("device name already set to ", device.name));
      }
      device.name = value;
    } else if (device.name.empty()) {
      device.name = field;
    } else if (!has_value) {
      return Error(absl::StrCat("invalid field '", field, "' must be a key=value pair"));
    } else {
      return WithSuggestion(Error(absl::StrCat("unexpected key '", key, "' in '", field, "'")), key,
                            {"name", "required"}, true);
    }
  }
  return device;
}

}  // namespace cairn::dockerfile
