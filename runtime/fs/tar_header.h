// The 512-byte tar header block (POSIX.1-2017 pax, "ustar Interchange Format"; the GNU variant:
// GNU tar manual, "Basic Tar Format"): layout and number fields, shared by reader and writer.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/status.h"

namespace cairn::fs {

inline constexpr size_t kTarBlock = 512;

struct TarField {
  size_t offset;
  size_t size;
};

namespace tar_field {
inline constexpr TarField kName{0, 100};
inline constexpr TarField kMode{100, 8};
inline constexpr TarField kUid{108, 8};
inline constexpr TarField kGid{116, 8};
inline constexpr TarField kSize{124, 12};
inline constexpr TarField kMtime{136, 12};
inline constexpr TarField kChecksum{148, 8};
inline constexpr TarField kType{156, 1};
inline constexpr TarField kLinkName{157, 100};
inline constexpr TarField kMagic{257, 8};  // magic and version
inline constexpr TarField kDevMajor{329, 8};
inline constexpr TarField kDevMinor{337, 8};
inline constexpr TarField kPrefix{345, 155};
// GNU old sparse format: four segments of two 12-byte numbers, an "is extended" byte, the real
// size.
inline constexpr TarField kSparseSegments{386, 96};
inline constexpr TarField kSparseExtended{482, 1};
inline constexpr TarField kSparseRealSize{483, 12};
}  // namespace tar_field

// A header block being read or built.
class TarHeader {
 public:
  char* data() { return bytes_; }
  const char* data() const { return bytes_; }

  string_view raw(TarField field) const { return string_view(bytes_ + field.offset, field.size); }
  // Up to the first NUL.
  string_view text(TarField field) const;
  // Octal, or GNU's base-256. kInvalidArgument when it is neither or does not fit int64.
  StatusOr<int64_t> number(TarField field) const;
  bool IsZero() const;
  // Whether the checksum field holds the sum of the bytes, taken as unsigned or (as some old
  // programs did) as signed.
  bool ChecksumMatches() const;

  // Copies `text`, cut to the field.
  void SetText(TarField field, string_view text);
  // Writes `value` in octal with a final NUL; false, with 0 written, when it does not fit.
  bool SetNumber(TarField field, int64_t value);
  void SetChecksum();

 private:
  char bytes_[kTarBlock] = {};
};

// Reads a number field on its own, as in sparse maps.
StatusOr<int64_t> ParseTarNumber(string_view raw);

}  // namespace cairn::fs
