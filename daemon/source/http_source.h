// HttpSource: one file from an http or https URL.
//
// What a URL gave last time is remembered with its ETag and asked about again before it is fetched
// anew; a file named by its checksum is not asked about at all. The host "buildkit-session" is the
// client itself, which uploads what it read from its standard input.
//
// Source: protocol.md 5.3 (http.* attributes), features.md 3.4.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/blob/database.h"
#include "cache/layer/chain_store.h"
#include "daemon/session/session_manager.h"
#include "daemon/solver/build_memory.h"
#include "daemon/solver/op.h"
#include "runtime/net/http_client.h"

namespace pb {
class SourceOp;
}  // namespace pb

namespace cairn::source {

// What an HttpSource works with; all outlive it.
struct HttpSourceStores {
  session::SessionManager& sessions;
  layer::ChainStore& chains;
  blob::Database& database;
  net::HttpClient& http;
};

// What a URL gives.
struct HttpFile {
  Digest digest;
  uint64_t size = 0;
  std::string name;
  std::optional<absl::Time> modified;
};

class HttpSource final : public solver::Op {
 public:
  // Reads the URL and the http.* attributes. kInvalidArgument names one that is malformed.
  static StatusOr<std::unique_ptr<HttpSource>> Create(const pb::SourceOp& op,
                                                      HttpSourceStores stores);

  StatusOr<solver::Prepared> Prepare(solver::OpContext& context) override;
  StatusOr<std::vector<solver::OpOutput>> Run(solver::OpContext& context,
                                              const std::vector<layer::Chain>& inputs) override;

  // What the URL gives in this build: asked for once, then remembered there. Its bytes are in the
  // blob store unless it is known by its checksum alone.
  StatusOr<HttpFile> Resolve(const session::SessionGroup& sessions, solver::BuildMemory& build,
                             const CancelToken& cancel);

  // The checksum by `algorithm` of the bytes of `file`, which Resolve gave, with `suffix` behind
  // them. kInvalidArgument for an algorithm that is not known and a suffix that is no signature's.
  StatusOr<std::string> ChecksumOf(const HttpFile& file, const std::string& algorithm,
                                   const std::string& suffix, const session::SessionGroup& sessions,
                                   const CancelToken& cancel);

 private:
  struct Attributes {
    std::string url;
    std::optional<Digest> checksum;
    std::string file_name;
    uint32_t mode = 0600;
    uint32_t uid = 0;
    uint32_t gid = 0;
    std::string authorization_secret;
    std::string signer_keys;  // with a signature: armored OpenPGP keys, one of which made it
    std::string signature;
    net::HttpHeaders headers;
  };

  HttpSource(Attributes attributes, HttpSourceStores stores)
      : attributes_(std::move(attributes)), stores_(stores) {}

  StatusOr<HttpFile> Fetch(const session::SessionGroup& sessions, const CancelToken& cancel);
  StatusOr<HttpFile> PullUpload(const session::SessionGroup& sessions, const net::Url& url,
                                const CancelToken& cancel);
  // What the client keeps for requests to `host`, if anything.
  StatusOr<std::optional<std::string>> AuthorizationOf(const std::string& host,
                                                       const session::SessionGroup& sessions,
                                                       const CancelToken& cancel);
  StatusOr<net::HttpRequest> MakeRequest(const net::Url& url, const session::SessionGroup& sessions,
                                         const CancelToken& cancel);
  // What the URL gave before, if the server says that it still does.
  StatusOr<std::optional<HttpFile>> Revalidate(net::HttpRequest request, const CancelToken& cancel);
  Status CheckDigest(const Digest& digest) const;
  std::string NameFrom(const std::string* content_disposition) const;
  std::string MemoryKey() const;

  const Attributes attributes_;
  const HttpSourceStores stores_;
  std::optional<HttpFile> file_;  // from Prepare to Run
};

}  // namespace cairn::source
