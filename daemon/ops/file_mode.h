// FileMode: a mode as chmod(1) reads it, octal ("0755") or symbolic ("u+x,go=").
//
// The grammar is POSIX's: [ugoa]* ([-+=] [rwxXstugo]*)+ separated by commas; without a who, all (no
// umask applies). What it leaves open is BSD setmode(3)'s answer, which BuildKit's is: "=" clears
// setuid and setgid of directories too and leaves the sticky bit alone, "X" looks at the mode as it
// was at first. An immutable value.
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
    char op = '+';                // or '-'; '=' only with copy_from
    uint32_t bits = 0;            // that may change
    bool execute_if_any = false;  // X: only when somebody could execute
    char copy_from = 0;           // u, g or o: `bits` as this class has them
  };

  // Appends what the operator `op` with the permissions at the front of `text` changes for `who`
  // (0: everybody), and takes them off `text`.
  void AddOperation(char op, uint32_t who, string_view& text);
  void AddBits(char op, uint32_t who, uint32_t bits);

  std::optional<uint32_t> exact_;
  std::vector<Change> changes_;
};

}  // namespace cairn::ops
