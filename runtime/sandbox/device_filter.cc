#include "runtime/sandbox/device_filter.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cairn::sandbox {
namespace {

constexpr int32_t kMemoryMajor = 1;
constexpr int32_t kTerminalMajor = 5;
constexpr int32_t kPseudoTerminalMajor = 136;

bpf_insn LoadWord(uint8_t to, uint8_t from, int16_t offset) {
  return {BPF_LDX | BPF_MEM | BPF_W, to, from, offset, 0};
}
bpf_insn Alu(uint8_t operation, uint8_t to, int32_t value) {
  return {static_cast<uint8_t>(BPF_ALU64 | operation | BPF_K), to, 0, 0, value};
}
bpf_insn JumpIf(uint8_t operation, uint8_t reg, int32_t value, int16_t offset) {
  return {static_cast<uint8_t>(BPF_JMP | operation | BPF_K), reg, 0, offset, value};
}
bpf_insn Exit() { return {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}; }

constexpr uint8_t kResult = BPF_REG_0;
constexpr uint8_t kContext = BPF_REG_1;
constexpr uint8_t kAccess = BPF_REG_2;
constexpr uint8_t kType = BPF_REG_3;
constexpr uint8_t kMajor = BPF_REG_4;
constexpr uint8_t kMinor = BPF_REG_5;

// Lets through what may be done with `device`; leaves kResult as it was otherwise.
void AddDevice(const DeviceNode& device, std::vector<bpf_insn>& program) {
  const int32_t type =
      device.type == DeviceNode::Type::kBlock ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
  const int32_t denied =
      (device.readable ? 0 : BPF_DEVCG_ACC_READ) | (device.writable ? 0 : BPF_DEVCG_ACC_WRITE);
  program.insert(program.end(), {
                                    JumpIf(BPF_JNE, kType, type, 7),
                                    JumpIf(BPF_JNE, kMajor, static_cast<int32_t>(device.major), 6),
                                    JumpIf(BPF_JNE, kMinor, static_cast<int32_t>(device.minor), 5),
                                    {BPF_ALU64 | BPF_MOV | BPF_X, kResult, kAccess, 0, 0},
                                    Alu(BPF_AND, kResult, denied),
                                    JumpIf(BPF_JNE, kResult, 0, 2),
                                    Alu(BPF_MOV, kResult, 1),
                                    Exit(),
                                    Alu(BPF_MOV, kResult, 1),
                                });
}

std::vector<bpf_insn> MakeProgram(const std::vector<DeviceNode>& given) {
  std::vector<bpf_insn> program = {
      LoadWord(kAccess, kContext, 0),
      {BPF_ALU64 | BPF_MOV | BPF_X, kType, kAccess, 0, 0},
      Alu(BPF_AND, kType, 0xffff),
      Alu(BPF_RSH, kAccess, 16),
      LoadWord(kMajor, kContext, 4),
      LoadWord(kMinor, kContext, 8),
      Alu(BPF_MOV, kResult, 1),
      // Each "allow" is: skip the exit unless it matches.
      JumpIf(BPF_JNE, kAccess, BPF_DEVCG_ACC_MKNOD, 1),
      Exit(),
  };
  for (const DeviceNode& device : given) {
    if (device.type != DeviceNode::Type::kFifo) {
      AddDevice(device, program);
    }
  }
  program.insert(program.end(), {
                                    // Other block devices can only be made.
                                    JumpIf(BPF_JEQ, kType, BPF_DEVCG_DEV_CHAR, 2),
                                    Alu(BPF_MOV, kResult, 0),
                                    Exit(),
                                    JumpIf(BPF_JNE, kMajor, kPseudoTerminalMajor, 1),
                                    Exit(),
                                });
  const struct {
    int32_t major;
    int32_t minor;
  } allowed[] = {
      {kMemoryMajor, 3}, {kMemoryMajor, 5},   {kMemoryMajor, 7},   {kMemoryMajor, 8},
      {kMemoryMajor, 9}, {kTerminalMajor, 0}, {kTerminalMajor, 1}, {kTerminalMajor, 2},
  };
  for (const auto& device : allowed) {
    program.push_back(JumpIf(BPF_JNE, kMajor, device.major, 2));
    program.push_back(JumpIf(BPF_JNE, kMinor, device.minor, 1));
    program.push_back(Exit());
  }
  program.push_back(Alu(BPF_MOV, kResult, 0));
  program.push_back(Exit());
  return program;
}

int Bpf(int command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

Status Change(int command, int program, const std::string& directory, uint32_t flags) {
  const UniqueFd group(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!group.valid()) {
    return ErrnoStatus(errno, absl::StrCat("open ", directory));
  }
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  attributes.target_fd = static_cast<uint32_t>(group.get());
  attributes.attach_bpf_fd = static_cast<uint32_t>(program);
  attributes.attach_type = BPF_CGROUP_DEVICE;
  attributes.attach_flags = flags;
  if (Bpf(command, attributes) != 0) {
    return ErrnoStatus(errno, absl::StrCat("device filter of ", directory));
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::unique_ptr<DeviceFilter>> DeviceFilter::Load(const std::vector<DeviceNode>& given) {
  const std::vector<bpf_insn> instructions = MakeProgram(given);
  static constexpr char kLicense[] = "Apache-2.0";
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<uint64_t>(instructions.data());
  attributes.insn_cnt = static_cast<uint32_t>(instructions.size());
  attributes.license = reinterpret_cast<uint64_t>(kLicense);
  UniqueFd program(Bpf(BPF_PROG_LOAD, attributes));
  if (!program.valid()) {
    return ErrnoStatus(errno, "load device filter");
  }
  return std::unique_ptr<DeviceFilter>(new DeviceFilter(std::move(program)));
}

Status DeviceFilter::Attach(const std::string& directory) const {
  return Change(BPF_PROG_ATTACH, program_.get(), directory, BPF_F_ALLOW_MULTI);
}

Status DeviceFilter::Detach(const std::string& directory) const {
  return Change(BPF_PROG_DETACH, program_.get(), directory, 0);
}

}  // namespace cairn::sandbox
