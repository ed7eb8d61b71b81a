#include "runtime/sandbox/seccomp_filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/socket.h>

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"

namespace cairn::sandbox {
namespace {

using Program = std::vector<sock_filter>;

constexpr uint32_t kX32Bit = 0x40000000;

struct Architecture {
  uint32_t audit;
  // libseccomp's tokens of the call tables that share this audit value.
  std::vector<uint32_t> tables;
};

std::vector<Architecture> NativeArchitectures() {
#if defined(__x86_64__)
  return {{AUDIT_ARCH_X86_64, {SCMP_ARCH_X86_64, SCMP_ARCH_X32}},
          {AUDIT_ARCH_I386, {SCMP_ARCH_X86}}};
#elif defined(__aarch64__)
  return {{AUDIT_ARCH_AARCH64, {SCMP_ARCH_AARCH64}}, {AUDIT_ARCH_ARM, {SCMP_ARCH_ARM}}};
#else
  const uint32_t native = seccomp_arch_native();
  return {{native, {native}}};
#endif
}

sock_filter Statement(uint16_t code, uint32_t value) { return {code, 0, 0, value}; }
sock_filter Jump(uint16_t code, uint32_t value, uint8_t if_true, uint8_t if_false) {
  return {code, if_true, if_false, value};
}
sock_filter Return(uint32_t action) { return Statement(BPF_RET | BPF_K, action); }
sock_filter Load(size_t offset) {
  return Statement(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}

constexpr uint32_t kDenied = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kUnknown = SECCOMP_RET_ERRNO | ENOSYS;

// What happens to a call number: a plain action, or conditions to check first.
struct Verdict {
  uint32_t action = kDenied;
  const std::vector<SyscallCondition>* conditions = nullptr;

  bool operator==(const Verdict& other) const {
    return action == other.action && conditions == other.conditions;
  }
};

size_t ArgumentOffset(uint32_t argument, bool high) {
  const bool big_endian = std::endian::native == std::endian::big;
  return offsetof(seccomp_data, args) + argument * sizeof(uint64_t) +
         (high != big_endian ? sizeof(uint32_t) : 0);
}

// Code that returns SECCOMP_RET_ALLOW if the condition holds and else falls through. Every value
// compared here fits in the low half; the high half is looked at only for comparisons, since flags
// and families are 32-bit arguments.
Program CompileCondition(const SyscallCondition& condition) {
  Program code;
  code.push_back(Load(ArgumentOffset(condition.argument, false)));
  const uint32_t value = static_cast<uint32_t>(condition.value);
  switch (condition.op) {
    case SyscallCondition::Operator::kEqual:
      code.push_back(Jump(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
      break;
    case SyscallCondition::Operator::kLess:
      code.push_back(Jump(BPF_JMP | BPF_JGE | BPF_K, value, 1, 0));
      break;
    case SyscallCondition::Operator::kGreater:
      code.push_back(Jump(BPF_JMP | BPF_JGT | BPF_K, value, 0, 1));
      break;
    case SyscallCondition::Operator::kMaskedEqual:
      code.push_back(Statement(BPF_ALU | BPF_AND | BPF_K, value));
      code.push_back(
          Jump(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(condition.masked), 0, 1));
      break;
  }
  code.push_back(Return(SECCOMP_RET_ALLOW));
  return code;
}

Program CompileVerdict(const Verdict& verdict) {
  Program code;
  if (verdict.conditions != nullptr) {
    for (const SyscallCondition& condition : *verdict.conditions) {
      const Program part = CompileCondition(condition);
      code.insert(code.end(), part.begin(), part.end());
    }
  }
  code.push_back(Return(verdict.action));
  return code;
}

// A range of numbers from `first` up to the next range.
struct Range {
  uint32_t first;
  Verdict verdict;
};

// "if (number >= middle) right else left", recursively; the number is in the accumulator.
Program CompileSearch(const std::vector<Range>& ranges, size_t begin, size_t end) {
  if (end - begin == 1) {
    return CompileVerdict(ranges[begin].verdict);
  }
  const size_t middle = begin + (end - begin) / 2;
  const Program left = CompileSearch(ranges, begin, middle);
  const Program right = CompileSearch(ranges, middle, end);
  Program code;
  // Conditional jumps reach 255 instructions; a plain jump reaches any.
  if (left.size() <= 255) {
    code.push_back(Jump(BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first,
                        static_cast<uint8_t>(left.size()), 0));
  } else {
    code.push_back(Jump(BPF_JMP | BPF_JGE | BPF_K, ranges[middle].first, 0, 1));
    code.push_back(Statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(left.size())));
  }
  code.insert(code.end(), left.begin(), left.end());
  code.insert(code.end(), right.begin(), right.end());
  return code;
}

// The numbers of one call table that are not simply denied.
void AddTable(const SeccompProfile& profile, uint32_t table, std::map<uint32_t, Verdict>& calls) {
  const uint32_t base = table == SCMP_ARCH_X32 ? kX32Bit : 0;
  auto number_of = [table](const char* name) {
    return seccomp_syscall_resolve_name_arch(table, name);
  };
  for (const char* name : profile.allowed) {
    if (const int number = number_of(name); number >= 0) {
      calls[static_cast<uint32_t>(number)] = {SECCOMP_RET_ALLOW, nullptr};
    }
  }
  for (const NumberedSyscall& call : profile.allowed_by_number) {
    calls[base + call.number] = {SECCOMP_RET_ALLOW, nullptr};
  }
  for (const ConditionalSyscall& call : profile.conditional) {
    if (const int number = number_of(call.name); number >= 0) {
      calls[static_cast<uint32_t>(number)] = {kDenied, &call.conditions};
    }
  }
  for (const char* name : profile.missing) {
    if (const int number = number_of(name); number >= 0) {
      calls[static_cast<uint32_t>(number)] = {kUnknown, nullptr};
    }
  }
}

std::vector<Range> MakeRanges(const SeccompProfile& profile, const Architecture& architecture) {
  std::map<uint32_t, Verdict> calls;
  std::set<uint32_t> boundaries = {0, profile.newest_known + 1};
  for (const uint32_t table : architecture.tables) {
    AddTable(profile, table, calls);
    if (table == SCMP_ARCH_X32) {
      boundaries.insert({kX32Bit, kX32Bit + profile.newest_known + 1});
    }
  }
  for (const auto& call : calls) {
    boundaries.insert({call.first, call.first + 1});
  }
  std::vector<Range> ranges;
  for (const uint32_t first : boundaries) {
    const auto call = calls.find(first);
    Verdict verdict;
    if (call != calls.end()) {
      verdict = call->second;
    } else if ((first & ~kX32Bit) > profile.newest_known) {
      verdict.action = kUnknown;
    }
    if (ranges.empty() || !(ranges.back().verdict == verdict)) {
      ranges.push_back({first, verdict});
    }
  }
  return ranges;
}

// Runs one instruction sequence over `data`; the few operations that the compiler above emits.
StatusOr<uint32_t> Evaluate(const Program& program, const seccomp_data& data) {
  uint32_t accumulator = 0;
  for (size_t at = 0; at < program.size(); ++at) {
    const sock_filter& step = program[at];
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + step.k,
                    sizeof accumulator);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= step.k;
        break;
      case BPF_JMP | BPF_JA:
        at += step.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += accumulator == step.k ? step.jt : step.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += accumulator >= step.k ? step.jt : step.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        at += accumulator > step.k ? step.jt : step.jf;
        break;
      case BPF_RET | BPF_K:
        return step.k;
      default:
        return absl::InvalidArgumentError(absl::StrCat("unknown filter operation ", step.code));
    }
  }
  return absl::InvalidArgumentError("filter ends without a decision");
}

}  // namespace

StatusOr<std::string> CompileSeccompFilter(const SeccompProfile& profile) {
  Program program;
  program.push_back(Load(offsetof(seccomp_data, arch)));
  for (const Architecture& architecture : NativeArchitectures()) {
    const std::vector<Range> ranges = MakeRanges(profile, architecture);
    Program search = {Load(offsetof(seccomp_data, nr))};
    const Program tree = CompileSearch(ranges, 0, ranges.size());
    search.insert(search.end(), tree.begin(), tree.end());
    program.push_back(Jump(BPF_JMP | BPF_JEQ | BPF_K, architecture.audit, 1, 0));
    program.push_back(Statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(search.size())));
    program.insert(program.end(), search.begin(), search.end());
  }
  // An architecture that no table was made for.
  program.push_back(Return(kDenied));
  if (program.size() > BPF_MAXINSNS) {
    return absl::InvalidArgumentError(
        absl::StrCat("system call filter of ", program.size(), " instructions is too long"));
  }
  return std::string(reinterpret_cast<const char*>(program.data()),
                     program.size() * sizeof(sock_filter));
}

StatusOr<uint32_t> EvaluateSeccompFilter(const std::string& filter, const SyscallView& call) {
  Program program(filter.size() / sizeof(sock_filter));
  std::memcpy(program.data(), filter.data(), program.size() * sizeof(sock_filter));
  seccomp_data data = {};
  data.nr = static_cast<int>(call.number);
  data.arch = call.architecture;
  std::memcpy(data.args, call.arguments, sizeof data.args);
  return Evaluate(program, data);
}

}  // namespace cairn::sandbox
