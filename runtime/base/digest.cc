#include "runtime/base/digest.h"

#include <openssl/evp.h>

#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn {
namespace {

constexpr string_view kPrefix = "sha256:";

bool IsLowerHex(string_view text) {
  for (char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct Hasher::Context {
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

Hasher::Hasher() : context_(std::make_unique<Context>()) {
  EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::Update(string_view data) { EVP_DigestUpdate(context_->evp, data.data(), data.size()); }

Digest Hasher::Finish() {
  Digest::Bytes bytes;
  EVP_DigestFinal_ex(context_->evp, bytes.data(), nullptr);
  EVP_DigestInit_ex(context_->evp, EVP_sha256(), nullptr);
  return Digest(bytes);
}

Digest Digest::Of(string_view data) {
  Bytes bytes;
  EVP_Digest(data.data(), data.size(), bytes.data(), nullptr, EVP_sha256(), nullptr);
  return Digest(bytes);
}

StatusOr<Digest> Digest::Parse(string_view text) {
  if (!absl::StartsWith(text, kPrefix)) {
    return absl::InvalidArgumentError(
        absl::StrCat("digest \"", absl::CHexEscape(text.substr(0, 80)), "\": not sha256:<hex>"));
  }
  return FromHex(text.substr(kPrefix.size()));
}

StatusOr<Digest> Digest::FromHex(string_view hex) {
  if (hex.size() != 2 * kSize || !IsLowerHex(hex)) {
    return absl::InvalidArgumentError(
        absl::StrCat("digest \"", absl::CHexEscape(hex.substr(0, 80)), "\": not 64 hex digits"));
  }
  return FromRaw(absl::HexStringToBytes(hex));
}

StatusOr<Digest> Digest::FromRaw(string_view raw) {
  if (raw.size() != kSize) {
    return absl::InvalidArgumentError(absl::StrCat("digest of ", raw.size(), " bytes, not 32"));
  }
  Bytes bytes;
  std::memcpy(bytes.data(), raw.data(), kSize);
  return Digest(bytes);
}

std::string Digest::ToString() const { return absl::StrCat(kPrefix, hex()); }

std::string Digest::hex() const { return absl::BytesToHexString(raw()); }

string_view Digest::raw() const {
  return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
}

}  // namespace cairn
