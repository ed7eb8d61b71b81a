// The two kinds of BlobReader: of a file and of bytes in memory.
#pragma once

#include <memory>
#include <string>

#include "cache/blob/blob_store.h"

namespace cairn::blob {

std::unique_ptr<BlobReader> NewFileReader(UniqueFd fd, const BlobInfo& info);
std::unique_ptr<BlobReader> NewMemoryReader(std::string bytes);

}  // namespace cairn::blob
