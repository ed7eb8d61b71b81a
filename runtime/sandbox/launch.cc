#include "runtime/sandbox/launch.h"

#include <cstring>
#include <type_traits>

namespace cairn::sandbox {
namespace {

// The same field lists serve both directions: Writer and Reader have one interface.
class Writer {
 public:
  template <typename T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void Field(const T& value) {
    const uint64_t wide = static_cast<uint64_t>(value);
    for (int shift = 0; shift < 64; shift += 8) {
      bytes_.push_back(static_cast<char>(wide >> shift));
    }
  }
  void Field(const std::string& value) {
    Field(value.size());
    bytes_ += value;
  }
  template <typename T>
  void Field(const std::vector<T>& values) {
    Field(values.size());
    for (const T& value : values) {
      Field(value);
    }
  }
  template <typename T>
  requires std::is_class_v<T>
  void Field(const T& value) {
    // Writing leaves the value as it is; Fields takes it mutable for the sake of reading.
    Fields(*this, const_cast<T&>(value));
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(const std::string& bytes) : at_(bytes.data()), left_(bytes.size()) {}

  template <typename T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void Field(T& value) {
    if (left_ < sizeof(uint64_t)) {
      failed_ = true;
      return;
    }
    uint64_t wide = 0;
    for (int byte = 0; byte < 8; ++byte) {
      wide |= static_cast<uint64_t>(static_cast<unsigned char>(at_[byte])) << (8 * byte);
    }
    at_ += sizeof wide;
    left_ -= sizeof wide;
    value = static_cast<T>(wide);
  }
  void Field(std::string& value) {
    const uint64_t size = Size();
    value.assign(at_, size);
    at_ += size;
    left_ -= size;
  }
  template <typename T>
  void Field(std::vector<T>& values) {
    values.clear();
    // Every element takes at least eight bytes, so a count beyond that is a lie.
    for (uint64_t count = Size(); count > 0 && !failed_; --count) {
      Field(values.emplace_back());
    }
  }
  template <typename T>
  requires std::is_class_v<T>
  void Field(T& value) { Fields(*this, value); }
  bool complete() const { return !failed_ && left_ == 0; }

 private:
  // A length or a count, which can never exceed the bytes that are left.
  uint64_t Size() {
    uint64_t size = 0;
    Field(size);
    if (size > left_) {
      failed_ = true;
      return 0;
    }
    return failed_ ? 0 : size;
  }

  const char* at_;
  size_t left_;
  bool failed_ = false;
};

template <typename Codec, typename... Parts>
void Each(Codec& codec, Parts&... parts) {
  (codec.Field(parts), ...);
}

template <typename Codec>
void Fields(Codec& codec, ProcessSpec& spec) {
  Each(codec, spec.args, spec.env, spec.cwd, spec.user, spec.additional_groups, spec.terminal,
       spec.terminal_rows, spec.terminal_columns);
}

template <typename Codec>
void Fields(Codec& codec, OverlaySpec& overlay) {
  Each(codec, overlay.lowers, overlay.upper, overlay.work, overlay.synced);
}

template <typename Codec>
void Fields(Codec& codec, RootSpec& root) {
  Each(codec, root.directory, root.overlay, root.readonly);
}

template <typename Codec>
void Fields(Codec& codec, MountSpec& mount) {
  Each(codec, mount.kind, mount.destination, mount.source, mount.selector, mount.overlay,
       mount.size_bytes, mount.mode, mount.uid, mount.gid, mount.content, mount.readonly,
       mount.nosuid, mount.nodev, mount.noexec);
}

template <typename Codec>
void Fields(Codec& codec, DeviceNode& node) {
  Each(codec, node.path, node.type, node.major, node.minor, node.mode, node.uid, node.gid,
       node.readable, node.writable);
}

template <typename Codec>
void Fields(Codec& codec, RlimitRequest& limit) {
  Each(codec, limit.resource, limit.soft, limit.hard);
}

template <typename Codec>
void Fields(Codec& codec, LaunchRequest& request) {
  Each(codec, request.process, request.insecure, request.rlimits, request.seccomp_filter,
       request.apparmor_profile, request.root, request.devices, request.mounts, request.hostname,
       request.network, request.mount_point, request.skeleton);
}

template <typename Codec>
void Fields(Codec& codec, Stub& stub) {
  Each(codec, stub.path, stub.directory, stub.mount_point, stub.before_sec, stub.before_nsec,
       stub.after_sec, stub.after_nsec);
}

template <typename Codec>
void Fields(Codec& codec, StubReport& report) {
  Each(codec, report.stubs);
}

template <typename Codec>
void Fields(Codec& codec, FailureReport& report) {
  Each(codec, report.step, report.message, report.exit_code);
}

template <typename Codec>
void Fields(Codec& codec, ExitReport& report) {
  Each(codec, report.wait_status, report.user_us, report.system_us, report.max_rss_kib);
}

template <typename T>
std::string EncodeValue(const T& value) {
  Writer writer;
  writer.Field(value);
  return writer.Take();
}

template <typename T>
bool DecodeValue(const std::string& bytes, T& value) {
  Reader reader(bytes);
  reader.Field(value);
  return reader.complete();
}

}  // namespace

std::string Encode(const LaunchRequest& request) { return EncodeValue(request); }
bool Decode(const std::string& bytes, LaunchRequest& request) {
  return DecodeValue(bytes, request);
}
std::string Encode(const StubReport& report) { return EncodeValue(report); }
bool Decode(const std::string& bytes, StubReport& report) { return DecodeValue(bytes, report); }
std::string Encode(const FailureReport& report) { return EncodeValue(report); }
bool Decode(const std::string& bytes, FailureReport& report) { return DecodeValue(bytes, report); }
std::string Encode(const ExitReport& report) { return EncodeValue(report); }
bool Decode(const std::string& bytes, ExitReport& report) { return DecodeValue(bytes, report); }

}  // namespace cairn::sandbox
