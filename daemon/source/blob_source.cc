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

constexpr char kRepositoryScheme[] = "docker-image+blob://";
constexpr char kLayoutScheme[] = "oci-layout+blob://";

}  // namespace

Status BlobSource::SetAttribute(const std::string& key, const std::string& value,
                                Attributes& attributes) {
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
  } else if (key == "oci.session") {
    attributes.layout_session = value;
  } else if (key == "oci.store") {
    attributes.layout_store = value;
  }
  return absl::OkStatus();
}

StatusOr<std::unique_ptr<solver::Op>> BlobSource::Create(const pb::SourceOp& op,
                                                         BlobSourceStores stores) {
  string_view text = op.identifier();
  const bool in_layout = absl::ConsumePrefix(&text, kLayoutScheme);
  absl::ConsumePrefix(&text, kRepositoryScheme);
  ASSIGN_OR_RETURN(const registry::ImageReference reference,
                   in_layout ? ParseLayoutReference(text) : registry::ImageReference::Parse(text));
  if (!reference.digest().has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(op.identifier(), ": an image blob is named by its digest"));
  }
  Attributes attributes{.reference = reference,
                        .digest = *reference.digest(),
                        .in_layout = in_layout,
                        .file_name = reference.digest()->hex()};
  for (const auto& [key, value] : op.attrs()) {
    RETURN_IF_ERROR(SetAttribute(key, value, attributes));
  }
  if (in_layout && attributes.layout_store.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(op.identifier(), ": oci-layout blob source requires store id"));
  }
  return std::unique_ptr<solver::Op>(new BlobSource(std::move(attributes), stores));
}

StatusOr<solver::Prepared> BlobSource::Prepare(solver::OpContext&) {
  solver::Prepared prepared;
  prepared.key.emplace(attributes_.in_layout ? "layout blob 1" : "image blob 1");
  prepared.pin = attributes_.digest.ToString();
  prepared.key->Add("repository", attributes_.reference.name())
      .Add("digest", attributes_.digest)
      .Add("name", attributes_.file_name)
      .AddNumber("mode", attributes_.mode)
      .AddNumber("uid", attributes_.uid)
      .AddNumber("gid", attributes_.gid);
  return prepared;
}

StatusOr<uint64_t> BlobSource::Receive(ImageContent& content,
                                       const registry::Descriptor& descriptor) {
  blob::BlobStore& blobs = stores_.chains.trees().blobs();
  ASSIGN_OR_RETURN(const bool stored, blobs.Contains(descriptor.digest));
  if (!stored) {
    ASSIGN_OR_RETURN(const auto writer, blobs.NewWriter());
    RETURN_IF_ERROR(content.FetchBlob(descriptor, *writer));
    RETURN_IF_ERROR(writer->Commit(descriptor.digest).status());
  }
  // Not what others say that it is.
  ASSIGN_OR_RETURN(const blob::BlobInfo info, blobs.Stat(descriptor.digest));
  return info.size;
}

StatusOr<uint64_t> BlobSource::FetchFromLayout(solver::OpContext& context) {
  ASSIGN_OR_RETURN(
      const auto content,
      LayoutContent::Open(stores_.sessions, context.sessions, attributes_.layout_session,
                          attributes_.layout_store, attributes_.digest, context.cancel));
  return Receive(*content, content->image());
}

StatusOr<uint64_t> BlobSource::Fetch(solver::OpContext& context) {
  if (attributes_.in_layout) {
    return FetchFromLayout(context);
  }
  SessionCredentials credentials(stores_.sessions, context.sessions);
  const registry::Access access{.credentials = credentials, .cancel = context.cancel};
  registry::Descriptor descriptor{.digest = attributes_.digest};
  ASSIGN_OR_RETURN(descriptor.size,
                   stores_.registry.BlobSize(attributes_.reference, descriptor.digest, access));
  RepositoryContent content(stores_.registry, attributes_.reference, access);
  return Receive(content, descriptor);
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
