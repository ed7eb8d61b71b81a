#include "runtime/base/checksum.h"

#include <openssl/evp.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace cairn {

struct Checksum::Context {
  std::string algorithm;
  EVP_MD_CTX* evp = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(evp); }
};

Checksum::Checksum(std::unique_ptr<Context> context) : context_(std::move(context)) {}
Checksum::~Checksum() = default;
Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;

StatusOr<Checksum> Checksum::Create(string_view algorithm) {
  const EVP_MD* kind = algorithm == "sha256"   ? EVP_sha256()
                       : algorithm == "sha384" ? EVP_sha384()
                       : algorithm == "sha512" ? EVP_sha512()
                                               : nullptr;
  if (kind == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("unsupported checksum algorithm ", algorithm));
  }
  auto context = std::make_unique<Context>();
  context->algorithm = std::string(algorithm);
  EVP_DigestInit_ex(context->evp, kind, nullptr);
  return Checksum(std::move(context));
}

void Checksum::Update(string_view data) {
  EVP_DigestUpdate(context_->evp, data.data(), data.size());
}

std::string Checksum::Finish() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context_->evp, bytes, &size);
  return absl::StrCat(
      context_->algorithm, ":",
      absl::BytesToHexString(string_view(reinterpret_cast<const char*>(bytes), size)));
}

}  // namespace cairn
