#include "runtime/net/signature.h"

#include <openssl/evp.h>
#include <sys/random.h>

#include <cstdlib>
#include <memory>

namespace cairn::net {
namespace {

struct FreeEvp {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

const unsigned char* Bytes(string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

bool VerifyEd25519(string_view public_key, string_view message, string_view signature) {
  const std::unique_ptr<EVP_PKEY, FreeEvp> key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Bytes(public_key), public_key.size()));
  const std::unique_ptr<EVP_MD_CTX, FreeEvp> context(EVP_MD_CTX_new());
  return key != nullptr && context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(message),
                          message.size()) == 1;
}

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t got = ::getrandom(bytes.data() + done, size - done, 0);
    if (got < 0) {
      std::abort();  // the kernel has no random numbers: nothing here is safe
    }
    done += static_cast<size_t>(got);
  }
  return bytes;
}

}  // namespace cairn::net
