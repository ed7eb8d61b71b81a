// The stored form of a Directory: proto/tree.proto, deterministic.
//
// Grammar: one serialised build.bazel.remote.execution.v2.Directory; fields in the order of their
// numbers, lists sorted by name, nothing unknown. The *content* form, of which the content digest
// is taken and which is stored nowhere, is the same message without mtimes, link groups, sizes and
// traits, and with each child's content digest in place of its digest.
#pragma once

#include <string>

#include "cache/tree/directory.h"

namespace cairn::tree {

// Whether `directory` may be stored: names are single components of at most 255 bytes, sorted, none
// twice; each entry has what its type needs. kInvalidArgument naming the first that is wrong.
Status Validate(const Directory& directory);

// The stored form. Children's `encoded_size` and `traits` must be known.
std::string Encode(const Directory& directory);

// The digest of the content form.
Digest ContentOf(const Directory& directory);

// kDataLoss when `bytes` is not the stored form of a valid Directory.
StatusOr<Directory> Decode(string_view bytes);

// What Store returns for `directory` with the stored form `encoded`.
TreeRef Describe(const Directory& directory, const Digest& digest, uint64_t encoded_size);

}  // namespace cairn::tree
