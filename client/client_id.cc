#include "client/client_id.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/digest.h"
#include "runtime/base/fd.h"

namespace cairn::client {

std::string ClientId() {
  auto machine = ReadFile("/etc/machine-id");
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return Digest::Of(absl::StrCat("cairn client ", machine.ok() ? *machine : host, " ", ::getuid()))
      .hex()
      .substr(0, 16);
}

}  // namespace cairn::client
