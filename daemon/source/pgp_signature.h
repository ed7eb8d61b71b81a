// Checks OpenPGP signatures by gpgv, GnuPG's program for just that.
#pragma once

#include <string>

#include "cache/blob/blob_store.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::source {

// Whether `signature` (armored, detached) is one key's of `keys` (armored blocks, one or more) over
// the bytes of `data`. kPermissionDenied "failed to verify pgp signature" when it is not,
// kInvalidArgument for keys that are none, kFailedPrecondition when gpgv is not installed.
Status VerifyPgpSignature(blob::BlobReader& data, const std::string& signature,
                          const std::string& keys, const CancelToken& cancel);

}  // namespace cairn::source
