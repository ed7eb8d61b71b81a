// Which system calls a step may make: Docker's default profile, as data.
//
// Names and conditions are facts of that profile as of June 2026, for a container with the default
// capabilities on Linux 4.8 or later. Everything that is not listed fails with EPERM, and what is
// newer than this list with ENOSYS, so that a C library falls back to an older call.
#pragma once

#include <cstdint>
#include <vector>

namespace cairn::sandbox {

// An extra condition under which a call is allowed: an argument compared with a value.
struct SyscallCondition {
  enum class Operator : uint8_t { kEqual, kLess, kGreater, kMaskedEqual };
  Operator op = Operator::kEqual;
  // The argument, from 0.
  uint32_t argument = 0;
  uint64_t value = 0;
  // kMaskedEqual: (argument & value) == masked.
  uint64_t masked = 0;
};

struct ConditionalSyscall {
  const char* name;
  // Allowed if any of them holds.
  std::vector<SyscallCondition> conditions;
};

// A call that is younger than libseccomp's tables; the same number on every architecture.
struct NumberedSyscall {
  const char* name;
  uint32_t number;
};

struct SeccompProfile {
  // Allowed whatever the arguments are. A name that an architecture lacks does not count there.
  std::vector<const char*> allowed;
  std::vector<NumberedSyscall> allowed_by_number;
  std::vector<ConditionalSyscall> conditional;
  // Fail with ENOSYS although they are old.
  std::vector<const char*> missing;
  // Numbers above this one fail with ENOSYS.
  uint32_t newest_known = 0;
};

SeccompProfile DefaultSeccompProfile();

}  // namespace cairn::sandbox
