#include "runtime/base/random_id.h"

#include <sys/random.h>

namespace cairn {

std::string RandomId() {
  static constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  static constexpr size_t kLength = 25;
  unsigned char bytes[64];
  std::string id;
  while (id.size() < kLength) {
    // Fails only where the kernel has no random numbers at all, which Linux does not come up
    // without.
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
      continue;
    }
    for (const unsigned char byte : bytes) {
      if (byte < 252 && id.size() < kLength) {  // 252 = 7 * 36: every digit equally likely
        id.push_back(kDigits[byte % 36]);
      }
    }
  }
  return id;
}

}  // namespace cairn
