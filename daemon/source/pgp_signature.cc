#include "daemon/source/pgp_signature.h"

#include <sys/mman.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/fd.h"
#include "runtime/base/subprocess.h"

namespace cairn::source {
namespace {

constexpr char kBegin[] = "-----BEGIN PGP ";
constexpr char kEnd[] = "-----END PGP ";
constexpr char kPublicKey[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
// Descriptors of the child.
constexpr int kKeys = 3;
constexpr int kSignature = 4;
constexpr int kData = 5;

// The packets of all armored blocks of `text` (RFC 4880, 6.2): gpgv reads keys in that form alone.
StatusOr<std::string> Dearmor(const std::string& text) {
  std::string packets;
  std::string encoded;
  enum { kOutside, kHeaders, kBody, kChecksum } state = kOutside;
  for (string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (absl::StartsWith(line, kBegin)) {
      if (line != kPublicKey) {
        return absl::InvalidArgumentError(absl::StrCat("expected a public key block, got ", line));
      }
      state = kHeaders;
    } else if (absl::StartsWith(line, kEnd)) {
      std::string block;
      if (!absl::Base64Unescape(encoded, &block)) {
        return absl::InvalidArgumentError("failed to decode armored public key");
      }
      packets += block;
      encoded.clear();
      state = kOutside;
    } else if (state == kHeaders && line.empty()) {
      state = kBody;
    } else if (state == kBody && absl::StartsWith(line, "=")) {
      state = kChecksum;
    } else if (state == kBody) {
      absl::StrAppend(&encoded, line);
    }
  }
  if (packets.empty()) {
    return absl::InvalidArgumentError("failed to read armored public key: no armored data found");
  }
  return packets;
}

// `bytes` as a file of no name.
StatusOr<UniqueFd> FileOf(string_view bytes) {
  UniqueFd file(::memfd_create("cairn-signature", MFD_CLOEXEC));
  if (!file.valid()) {
    return ErrnoStatus(errno, "make a file in memory");
  }
  RETURN_IF_ERROR(WriteAll(file.get(), bytes));
  return file;
}

std::string PathOf(int descriptor) { return absl::StrCat("/proc/self/fd/", descriptor); }

}  // namespace

Status VerifyPgpSignature(blob::BlobReader& data, const std::string& signature,
                          const std::string& keys, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const std::string packets, Dearmor(keys));
  ASSIGN_OR_RETURN(const UniqueFd key_file, FileOf(packets));
  ASSIGN_OR_RETURN(const UniqueFd signature_file, FileOf(signature));
  UniqueFd data_file;
  if (data.fd() < 0) {
    ASSIGN_OR_RETURN(const std::string bytes, data.ReadAt(0, data.size()));
    ASSIGN_OR_RETURN(data_file, FileOf(bytes));
  }
  SubprocessOptions options{.argv = {"gpgv", "--homedir", "/nonexistent", "--keyring",
                                     PathOf(kKeys), PathOf(kSignature), PathOf(kData)},
                            .environment = std::vector<std::string>{"LC_ALL=C"}};
  options.descriptors = {{kKeys, key_file.get()},
                         {kSignature, signature_file.get()},
                         {kData, data.fd() < 0 ? data_file.get() : data.fd()}};
  const auto outcome = RunCommand(std::move(options), "", cancel);
  RETURN_IF_ERROR(cancel.Check());
  if (!outcome.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "checking PGP signatures needs the program gpgv: ", outcome.status().message()));
  }
  if (outcome->exit_code != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat("failed to verify pgp signature: ", absl::StripAsciiWhitespace(outcome->err)));
  }
  return absl::OkStatus();
}

}  // namespace cairn::source
