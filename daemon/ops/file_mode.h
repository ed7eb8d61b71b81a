// FileMode: a mode as chmod(1) reads it, octal ("0755") or symbolic ("u+x,go=").
//
// POSIX chmod, "Symbolic modes": [ugoa]* ([-+=] ([rwxXst]* | [ugo]))+ separated by commas; without
// a who, all (no umask applies). An immutable value.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::ops {

class FileMode {
 public:
  // kInvalidArgument "invalid mode: \"..\"" when it is neither.
  static StatusOr<FileMode> Parse(string_view text);
  // Exactly the permission, setuid, setgid and sticky bits of `mode`.
  static FileMode Exactly(uint32_t mode);

  // The whole mode, when it is a number.
  const std::optional<uint32_t>& exact() const { return exact_; }

  // What becomes of `mode` (07777 bits).
  uint32_t Apply(uint32_t mode, bool is_directory) const;

 private:
  struct Change {
    char op = '=';
    uint32_t who = 07777;  // bits that may change
    uint32_t bits = 0;
    bool execute_if_any = false;  // X
    char copy_from = 0;           // u, g or o
  };
  std::optional<uint32_t> exact_;
  std::vector<Change> changes_;
};

}  // namespace cairn::ops
