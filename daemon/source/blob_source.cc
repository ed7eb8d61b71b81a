#include "daemon/source/blob_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/source/go_number.h"
#include "daemon/source/session_credentials.h"
#include "proto/ops.pb.h"
#include "runtime/base/go_match.h"

namespace cairn::source {
namespace {

constexpr char kScheme[] = "docker-image+blob://";

}  // namespace

StatusOr<std::unique_ptr<solver::Op>> BlobSource::Create(const pb::SourceOp& op,
                                                         BlobSourceStores stores) {
  ASSIGN_OR_RETURN(const registry::ImageReference reference,
                   registry::ImageReference::Parse(absl::StripPrefix(op.identifier(), kScheme)));
  if (!reference.digest().has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(op.identifier(), ": an image blob is named by its digest"));
  }
  Attributes attributes{.reference = reference,
                        .digest = *reference.digest(),
                        .file_name = reference.digest()->hex()};
  for (const auto& [key, value] : op.attrs()) {
    if (key == "http.filename") {
      const std::string clean = CleanPath(value);
      const std::string name = clean.substr(clean.rfind('/') + 1);
      if (name.empty() || name == "." || name == "..") {
        return absl::InvalidArgumentError(absl::StrCat("invalid file name \"", value, "\""));
      }
      attributes.file_name = name;
    } else if (key == "http.perm") {
      ASSIGN_OR_RETURN(attributes.mode, ParseGoNumber(key, value));
    } else if (key == "http.uid") {
      ASSIGN_OR_RETURN(attributes.uid, ParseGoNumber(key, value));
    } else if (key == "http.gid") {
      ASSIGN_OR_RETURN(attributes.gid, ParseGoNumber(key, value));
    }
  }
  return std::unique_ptr<solver::Op>(new BlobSource(std::move(attributes), stores));
}

StatusOr<solver::Prepared> BlobSource::Prepare(solver::OpContext&) {
  solver::Prepared prepared;
  prepared.key.emplace("image blob 1");
  prepared.pin = attributes_.digest.ToString();
  prepared.key->Add("repository", attributes_.reference.name())
      .Add("digest", attributes_.digest)
      .Add("name", attributes_.file_name)
      .AddNumber("mode", attributes_.mode)
      .AddNumber("uid", attributes_.uid)
      .AddNumber("gid", attributes_.gid);
  return prepared;
}

StatusOr<uint64_t> BlobSource::Fetch(solver::OpContext& context) {
  SessionCredentials credentials(stores_.sessions, context.sessions);
  const registry::Access access{.credentials = credentials, .cancel = context.cancel};
  blob::BlobStore& blobs = stores_.chains.trees().blobs();
  registry::Descriptor descriptor{.digest = attributes_.digest};
  ASSIGN_OR_RETURN(descriptor.size,
                   stores_.registry.BlobSize(attributes_.reference, descriptor.digest, access));
  ASSIGN_OR_RETURN(const bool stored, blobs.Contains(descriptor.digest));
  if (!stored) {
    ASSIGN_OR_RETURN(const auto writer, blobs.NewWriter());
    RETURN_IF_ERROR(stores_.registry.FetchBlob(attributes_.reference, descriptor, *writer, access));
    RETURN_IF_ERROR(writer->Commit(descriptor.digest).status());
  }
  return descriptor.size;
}

StatusOr<std::vector<solver::OpOutput>> BlobSource::Run(solver::OpContext& context,
                                                        const std::vector<layer::Chain>&) {
  ASSIGN_OR_RETURN_IN(const uint64_t size, Fetch(context), attributes_.reference.ToString());
  tree::Entry entry{.name = attributes_.file_name, .type = tree::Entry::Type::kFile};
  entry.metadata = {
      .mode = attributes_.mode & 07777, .uid = attributes_.uid, .gid = attributes_.gid};
  entry.file = attributes_.digest;
  entry.size = size;
  tree::Directory root;
  root.metadata.mode = 0755;
  root.entries.push_back(std::move(entry));
  ASSIGN_OR_RETURN(const tree::TreeRef tree, stores_.chains.trees().Store(std::move(root)));
  ASSIGN_OR_RETURN(layer::Chain chain, stores_.chains.Single(tree));
  return std::vector<solver::OpOutput>{{.chain = std::move(chain), .base_input = -1}};
}

}  // namespace cairn::source
