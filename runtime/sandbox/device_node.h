// A device that a container has beside those that every container has.
//
// A value; only standard types, because the helper program reads it too.
#pragma once

#include <cstdint>
#include <string>

namespace cairn::sandbox {

struct DeviceNode {
  enum class Type : uint8_t { kCharacter, kBlock, kFifo };
  // Stands for the user or group of the container's first process.
  static constexpr uint32_t kOfProcess = UINT32_MAX;

  // Absolute, below /dev; what the sandbox itself puts there is replaced. Missing directories are
  // made.
  std::string path;
  Type type = Type::kCharacter;
  uint32_t major = 0;
  uint32_t minor = 0;
  uint32_t mode = 0666;
  uint32_t uid = kOfProcess;
  uint32_t gid = kOfProcess;
  // What the container may do with this device, by whatever node. (Any node may be made.)
  bool readable = true;
  bool writable = true;
};

}  // namespace cairn::sandbox
