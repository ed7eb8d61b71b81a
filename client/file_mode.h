// Go's os.FileMode (what fsutil packets carry) and back (protocol.md 3.1).
#pragma once

#include <cstdint>

#include "runtime/fs/metadata.h"

namespace cairn::client {

// `permissions` holds 07777 bits as in st_mode.
uint32_t ToGoMode(fs::Kind kind, uint32_t permissions);
fs::Kind KindOfGoMode(uint32_t mode);
uint32_t PermissionsOfGoMode(uint32_t mode);

}  // namespace cairn::client
