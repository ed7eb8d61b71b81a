#include "daemon/source/http_source.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/session/secrets.h"
#include "daemon/session/session_group.h"
#include "daemon/session/upload.h"
#include "daemon/solver/solver.h"
#include "daemon/source/go_number.h"
#include "daemon/source/pgp_signature.h"
#include "proto/ops.pb.h"
#include "runtime/base/checksum.h"
#include "runtime/base/go_match.h"

namespace cairn::source {
namespace {

using nlohmann::json;

constexpr string_view kAcceptEncoding = "Accept-Encoding";
constexpr char kUploadHost[] = "buildkit-session";
constexpr size_t kMaxSuffix = 4096;  // what a signature adds to what it signs is short
constexpr uint64_t kPiece = 1 << 20;
constexpr char kHeaderPrefix[] = "http.header.";
constexpr char kHostTokenSecret[] = "HTTP_AUTH_TOKEN_";
constexpr char kHostHeaderSecret[] = "HTTP_AUTH_HEADER_";

std::string BaseName(string_view path) {
  const std::string clean = CleanPath(path);
  return clean.substr(clean.rfind('/') + 1);
}

// "W/" and nothing else of an ETag is left out: it says how the bytes compare, not which they are.
std::string TagOf(const net::HttpResponse& response) {
  const std::string* tag = response.Header("ETag");
  return tag == nullptr ? "" : std::string(absl::StripPrefix(*tag, "W/"));
}

// The filename parameter of a Content-Disposition header (RFC 6266), "" when there is none.
std::string FileNameParameter(const std::string& header) {
  for (string_view part : absl::StrSplit(header, ';')) {
    part = absl::StripAsciiWhitespace(part);
    if (absl::ConsumePrefix(&part, "filename=")) {
      absl::ConsumePrefix(&part, "\"");
      absl::ConsumeSuffix(&part, "\"");
      return std::string(part);
    }
  }
  return "";
}

std::optional<absl::Time> ModifiedOf(const net::HttpResponse& response) {
  const std::string* modified = response.Header("Last-Modified");
  return modified == nullptr ? std::nullopt : net::ParseHttpDate(*modified);
}

// What is written down about a URL.
struct Remembered {
  HttpFile file;
  std::string tag;
};

std::string Format(const Remembered& memory) {
  json text{{"etag", memory.tag},
            {"digest", memory.file.digest.ToString()},
            {"size", memory.file.size},
            {"name", memory.file.name}};
  if (memory.file.modified.has_value()) {
    text["modified"] = absl::ToUnixSeconds(*memory.file.modified);
  }
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<Remembered> Parse(const std::string& text) {
  const json memory = json::parse(text, nullptr, false);
  if (!memory.is_object()) {
    return std::nullopt;
  }
  const auto digest = Digest::Parse(memory.value("digest", ""));
  if (!digest.ok()) {
    return std::nullopt;
  }
  Remembered remembered{.file = {.digest = *digest,
                                 .size = memory.value("size", uint64_t{0}),
                                 .name = memory.value("name", ""),
                                 .modified = std::nullopt},
                        .tag = memory.value("etag", "")};
  if (memory.contains("modified")) {
    remembered.file.modified = absl::FromUnixSeconds(memory.value("modified", int64_t{0}));
  }
  return remembered;
}

}  // namespace

StatusOr<std::unique_ptr<HttpSource>> HttpSource::Create(const pb::SourceOp& op,
                                                         HttpSourceStores stores) {
  Attributes attributes{.url = op.identifier()};
  RETURN_IF_ERROR(net::Url::Parse(attributes.url).status());
  for (const auto& [key, value] : op.attrs()) {
    if (key == "http.checksum") {
      ASSIGN_OR_RETURN(attributes.checksum, Digest::Parse(value));
    } else if (key == "http.filename") {
      attributes.file_name = value;
    } else if (key == "http.perm") {
      ASSIGN_OR_RETURN(attributes.mode, ParseGoNumber(key, value));
    } else if (key == "http.uid") {
      ASSIGN_OR_RETURN(attributes.uid, ParseGoNumber(key, value));
    } else if (key == "http.gid") {
      ASSIGN_OR_RETURN(attributes.gid, ParseGoNumber(key, value));
    } else if (key == "http.authheadersecret") {
      attributes.authorization_secret = value;
    } else if (key == "http.sig.pubkey") {
      attributes.signer_keys = value;
    } else if (key == "http.sig.signature") {
      attributes.signature = value;
    } else if (absl::EqualsIgnoreCase(key, absl::StrCat(kHeaderPrefix, "accept")) ||
               absl::EqualsIgnoreCase(key, absl::StrCat(kHeaderPrefix, "user-agent"))) {
      attributes.headers.emplace_back(key.substr(sizeof kHeaderPrefix - 1), value);
    }
  }
  if (attributes.signer_keys.empty() != attributes.signature.empty()) {
    return absl::InvalidArgumentError(
        "http.sig.pubkey and http.sig.signature are needed together to verify a file");
  }
  std::sort(attributes.headers.begin(), attributes.headers.end());
  return std::unique_ptr<HttpSource>(new HttpSource(std::move(attributes), stores));
}

std::string HttpSource::MemoryKey() const {
  std::string key =
      absl::StrCat("http ", absl::CHexEscape(attributes_.url), " ",
                   absl::CHexEscape(attributes_.file_name), " ", attributes_.authorization_secret);
  for (const auto& [name, value] : attributes_.headers) {
    absl::StrAppend(&key, " ", name, "=", absl::CHexEscape(value));
  }
  return key;
}

Status HttpSource::CheckDigest(const Digest& digest) const {
  if (!attributes_.checksum.has_value() || *attributes_.checksum == digest) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("digest mismatch ", digest.ToString(), ": ",
                                          attributes_.checksum->ToString(), " is wanted of ",
                                          net::RedactCredentials(attributes_.url)));
}

std::string HttpSource::NameFrom(const std::string* content_disposition) const {
  if (!attributes_.file_name.empty()) {
    return attributes_.file_name;
  }
  if (content_disposition != nullptr) {
    const std::string name = FileNameParameter(*content_disposition);
    if (!name.empty() && name.back() != '/') {
      return BaseName(name);
    }
  }
  const auto url = net::Url::Parse(attributes_.url);
  const std::string base = url.ok() ? BaseName(url->path) : "";
  return base.empty() || base == "." || base == ".." ? "download" : base;
}

// A client may have secrets named after hosts: a whole header, or a bearer token, which goes first.
StatusOr<std::optional<std::string>> HttpSource::AuthorizationOf(
    const std::string& host, const session::SessionGroup& sessions, const CancelToken& cancel) {
  for (const auto& kind :
       {std::pair(kHostTokenSecret, "Bearer "), std::pair(kHostHeaderSecret, "")}) {
    const std::string id = absl::StrCat(kind.first, host);
    std::optional<std::string> value;
    const Status found = sessions.Any(
        stores_.sessions, cancel, [&](const std::shared_ptr<session::Session>& session) -> Status {
          ASSIGN_OR_RETURN(value, session::GetSecret(*session, id, cancel));
          return absl::OkStatus();
        });
    RETURN_IF_ERROR(cancel.Check());
    if (found.ok() && value.has_value()) {
      return absl::StrCat(kind.second, *value);
    }
  }
  return std::optional<std::string>();
}

StatusOr<net::HttpRequest> HttpSource::MakeRequest(const net::Url& url,
                                                   const session::SessionGroup& sessions,
                                                   const CancelToken& cancel) {
  net::HttpRequest request{.url = url, .headers = attributes_.headers};
  request.slow_answer = true;  // archives are often made when they are asked for
  request.headers.emplace_back(kAcceptEncoding, "gzip");  // the client unpacks it
  if (attributes_.authorization_secret.empty()) {
    ASSIGN_OR_RETURN(const std::optional<std::string> value,
                     AuthorizationOf(url.host, sessions, cancel));
    if (value.has_value()) {
      request.headers.emplace_back("Authorization", *value);
    }
    return request;
  }
  std::string secret;
  RETURN_IF_ERROR_IN(
      sessions.Any(stores_.sessions, cancel,
                   [&](const std::shared_ptr<session::Session>& session) -> Status {
                     ASSIGN_OR_RETURN(
                         secret,
                         session::GetSecret(*session, attributes_.authorization_secret, cancel));
                     return absl::OkStatus();
                   }),
      absl::StrCat("failed to retrieve HTTP auth secret ", attributes_.authorization_secret));
  request.headers.emplace_back("Authorization", secret);
  return request;
}

StatusOr<std::optional<HttpFile>> HttpSource::Revalidate(net::HttpRequest request,
                                                         const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const std::optional<std::string> remembered,
                   stores_.database.Get(blob::Table::kSources, MemoryKey()));
  if (!remembered.has_value()) {
    return std::nullopt;
  }
  std::optional<Remembered> memory = Parse(*remembered);
  if (!memory.has_value() || memory->tag.empty()) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const bool stored, stores_.chains.trees().blobs().Contains(memory->file.digest));
  if (!stored) {
    return std::nullopt;
  }
  request.method = "HEAD";
  request.headers.emplace_back("If-None-Match", memory->tag);
  const auto response = stores_.http.Send(request, cancel);
  RETURN_IF_ERROR(cancel.Check());
  if (!response.ok() || (response->status != 200 && response->status != 304)) {
    return std::nullopt;  // some servers answer no HEAD; the GET decides
  }
  const std::string now = TagOf(*response);
  if (now != memory->tag && !(now.empty() && response->status == 304)) {
    return std::nullopt;
  }
  memory->file.name = NameFrom(response->Header("Content-Disposition"));
  return memory->file;
}

StatusOr<HttpFile> HttpSource::PullUpload(const session::SessionGroup& sessions,
                                          const net::Url& url, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const auto writer, stores_.chains.trees().blobs().NewWriter());
  RETURN_IF_ERROR(
      sessions.Any(stores_.sessions, cancel, [&](const std::shared_ptr<session::Session>& session) {
        return session::PullUpload(
            *session, url.host, url.path, [&](string_view data) { return writer->Write(data); },
            cancel);
      }));
  ASSIGN_OR_RETURN(const blob::BlobInfo info, writer->Commit());
  return HttpFile{.digest = info.digest, .size = info.size, .name = NameFrom(nullptr)};
}

StatusOr<HttpFile> HttpSource::Fetch(const session::SessionGroup& sessions,
                                     const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const net::Url url, net::Url::Parse(attributes_.url));
  if (url.host == kUploadHost) {
    return PullUpload(sessions, url, cancel);
  }
  ASSIGN_OR_RETURN(net::HttpRequest request, MakeRequest(url, sessions, cancel));
  ASSIGN_OR_RETURN(std::optional<HttpFile> unchanged, Revalidate(request, cancel));
  if (unchanged.has_value()) {
    return *std::move(unchanged);
  }
  blob::BlobStore& blobs = stores_.chains.trees().blobs();
  ASSIGN_OR_RETURN(auto writer, blobs.NewWriter());
  StatusOr<net::HttpResponse> fetched = stores_.http.Fetch(request, *writer, cancel);
  if (absl::IsUnimplemented(fetched.status())) {
    // An encoding that nobody knows is often no encoding: take the bytes as they are.
    std::erase_if(request.headers,
                  [](const auto& header) { return header.first == kAcceptEncoding; });
    ASSIGN_OR_RETURN(writer, blobs.NewWriter());
    fetched = stores_.http.Fetch(request, *writer, cancel);
  }
  ASSIGN_OR_RETURN(const net::HttpResponse response, std::move(fetched));
  if (!response.ok()) {
    return absl::UnknownError(absl::StrCat("invalid response status ", response.status, " from ",
                                           net::RedactCredentials(attributes_.url)));
  }
  ASSIGN_OR_RETURN(const blob::BlobInfo info, writer->Commit());
  HttpFile file{.digest = info.digest,
                .size = info.size,
                .name = NameFrom(response.Header("Content-Disposition")),
                .modified = ModifiedOf(response)};
  RETURN_IF_ERROR(stores_.database.Put(blob::Table::kSources, MemoryKey(),
                                       Format({.file = file, .tag = TagOf(response)})));
  return file;
}

StatusOr<HttpFile> HttpSource::Resolve(const session::SessionGroup& sessions,
                                       solver::BuildMemory& build, const CancelToken& cancel) {
  if (attributes_.checksum.has_value()) {
    // The content is known; only a miss in the step table makes it needed.
    return HttpFile{.digest = *attributes_.checksum, .name = NameFrom(nullptr)};
  }
  const std::optional<std::string> pinned = build.Pinned(MemoryKey());
  const std::optional<Remembered> memory = pinned.has_value() ? Parse(*pinned) : std::nullopt;
  if (memory.has_value()) {
    ASSIGN_OR_RETURN(const bool stored,
                     stores_.chains.trees().blobs().Contains(memory->file.digest));
    if (stored) {
      return memory->file;
    }
  }
  ASSIGN_OR_RETURN(HttpFile file, Fetch(sessions, cancel));
  build.Pin(MemoryKey(), Format({.file = file, .tag = ""}));
  return file;
}

StatusOr<std::string> HttpSource::ChecksumOf(const HttpFile& file, const std::string& algorithm,
                                             const std::string& suffix,
                                             const session::SessionGroup& sessions,
                                             const CancelToken& cancel) {
  if (suffix.size() > kMaxSuffix) {
    return absl::InvalidArgumentError(
        absl::StrCat("checksum suffix exceeds max size ", kMaxSuffix, ": ", suffix.size()));
  }
  ASSIGN_OR_RETURN(Checksum checksum, Checksum::Create(algorithm));
  blob::BlobStore& blobs = stores_.chains.trees().blobs();
  ASSIGN_OR_RETURN(const bool stored, blobs.Contains(file.digest));
  if (!stored) {
    ASSIGN_OR_RETURN(const HttpFile fetched, Fetch(sessions, cancel));
    RETURN_IF_ERROR(CheckDigest(fetched.digest));
  }
  ASSIGN_OR_RETURN(const auto reader, blobs.Open(file.digest));
  for (uint64_t offset = 0; offset < reader->size(); offset += kPiece) {
    RETURN_IF_ERROR(cancel.Check());
    ASSIGN_OR_RETURN(const std::string piece,
                     reader->ReadAt(offset, std::min(kPiece, reader->size() - offset)));
    checksum.Update(piece);
  }
  checksum.Update(suffix);
  return checksum.Finish();
}

StatusOr<solver::Prepared> HttpSource::Prepare(solver::OpContext& context) {
  ASSIGN_OR_RETURN(file_, Resolve(context.sessions, context.job.memory(), context.cancel));
  solver::Prepared prepared;
  prepared.key.emplace("http 1");
  prepared.pin = file_->digest.ToString();
  prepared.key->Add("name", file_->name)
      .Add("digest", file_->digest)
      .AddNumber("mode", attributes_.mode)
      .AddNumber("uid", attributes_.uid)
      .AddNumber("gid", attributes_.gid)
      .AddNumber("modified",
                 file_->modified.has_value() ? absl::ToUnixSeconds(*file_->modified) : 0);
  if (!attributes_.signature.empty()) {
    // A result that is found by this key was verified when it was made.
    prepared.key->Add("signer keys", Digest::Of(attributes_.signer_keys))
        .Add("signature", Digest::Of(attributes_.signature));
  }
  return prepared;
}

StatusOr<std::vector<solver::OpOutput>> HttpSource::Run(solver::OpContext& context,
                                                        const std::vector<layer::Chain>&) {
  if (attributes_.checksum.has_value()) {
    ASSIGN_OR_RETURN(HttpFile fetched, Fetch(context.sessions, context.cancel));
    RETURN_IF_ERROR(CheckDigest(fetched.digest));
    fetched.name = file_->name;
    file_ = std::move(fetched);
  }
  if (!attributes_.signature.empty()) {
    ASSIGN_OR_RETURN(const auto reader, stores_.chains.trees().blobs().Open(file_->digest));
    RETURN_IF_ERROR_IN(
        VerifyPgpSignature(*reader, attributes_.signature, attributes_.signer_keys, context.cancel),
        attributes_.url);
  }
  tree::Entry entry{.name = BaseName(file_->name), .type = tree::Entry::Type::kFile};
  entry.metadata = {
      .mode = attributes_.mode & 07777,
      .uid = attributes_.uid,
      .gid = attributes_.gid,
      .mtime_ns = file_->modified.has_value() ? absl::ToUnixNanos(*file_->modified) : 0};
  entry.file = file_->digest;
  entry.size = file_->size;
  tree::Directory root;
  root.metadata.mode = 0755;
  root.entries.push_back(std::move(entry));
  ASSIGN_OR_RETURN(const tree::TreeRef tree, stores_.chains.trees().Store(std::move(root)));
  ASSIGN_OR_RETURN(layer::Chain chain, stores_.chains.Single(tree));
  return std::vector<solver::OpOutput>{{.chain = std::move(chain), .base_input = -1}};
}

}  // namespace cairn::source
