// Ed25519 signatures (RFC 8032).
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace cairn::net {

// Whether `signature` (64 bytes) is the signature of `message` by `public_key` (32 bytes).
bool VerifyEd25519(string_view public_key, string_view message, string_view signature);

// `size` bytes that nobody can guess.
std::string RandomBytes(size_t size);

}  // namespace cairn::net
