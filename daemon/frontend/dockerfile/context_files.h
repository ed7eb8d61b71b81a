// Files that the frontend itself reads of a build context.
#pragma once

#include <cstdint>

namespace cairn::dockerfile {

inline constexpr char kIgnoreFile[] = ".dockerignore";

// Bytes. Far above any Dockerfile or list of patterns that a person or a generator writes; such
// files are read whole into memory.
inline constexpr uint64_t kMaxTextFile = 16 << 20;

}  // namespace cairn::dockerfile
