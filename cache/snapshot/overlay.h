// How overlayfs marks things in its directories (Linux, Documentation/filesystems/overlayfs.rst,
// "whiteouts and opaque directories"). A whiteout is a character device with device number 0.
#pragma once

namespace cairn::snapshot {

// "y" on a directory: nothing of the lower ones shows through.
inline constexpr char kOpaqueXattr[] = "trusted.overlay.opaque";

}  // namespace cairn::snapshot
