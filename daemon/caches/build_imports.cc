#include "daemon/caches/build_imports.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "cache/remote/reader.h"
#include "cache/remote/registry_cache.h"
#include "daemon/caches/attributes.h"
#include "daemon/caches/client_directory.h"
#include "daemon/caches/imported_cache.h"
#include "daemon/exporter/progress_line.h"
#include "daemon/exporter/result_platforms.h"
#include "runtime/base/thread_pool.h"

namespace cairn::caches {
namespace {

// A cache that takes longer to be read than this is none for the steps that want it by then.
constexpr absl::Duration kReadWait = absl::Seconds(20);

// How a cache is called in the progress.
std::string NameOf(const std::string& type, const Attributes& attributes) {
  const std::string ref = ValueOf(attributes, "ref");
  if (type == "registry" && !ref.empty()) {
    return ref;
  }
  std::string text;
  for (const auto& [key, value] : attributes) {
    absl::StrAppend(&text, key, "=", value, "\n");
  }
  return absl::StrCat(type, ":", Digest::Of(text).hex().substr(0, 16));
}

std::string IdentityOf(const std::string& type, const Attributes& attributes) {
  std::string text = type;
  for (const auto& [key, value] : attributes) {
    absl::StrAppend(&text, "\n", key, "=", value);
  }
  return text;
}

}  // namespace

BuildImports::BuildImports(const CacheParts& parts, solver::Job& job)
    : parts_(parts), job_(job), stop_(job.cancel()) {}

BuildImports::~BuildImports() {
  stop_.Cancel();
  std::vector<std::thread> readers;
  {
    MutexLock lock(mu_);
    readers.swap(readers_);
  }
  for (std::thread& reader : readers) {
    reader.join();
  }
}

StatusOr<std::unique_ptr<remote::CacheSource>> BuildImports::Resolve(const std::string& type,
                                                                     const Attributes& attributes) {
  if (type == "registry") {
    const std::string ref = ValueOf(attributes, "ref");
    if (ref.empty()) {
      return absl::InvalidArgumentError("missing ref");
    }
    ASSIGN_OR_RETURN(registry::ImageReference reference, registry::ImageReference::Parse(ref));
    bool insecure = false;
    if (attributes.count("registry.insecure") > 0) {
      ASSIGN_OR_RETURN(insecure, exporter::ParseBool("registry.insecure",
                                                     ValueOf(attributes, "registry.insecure")));
    }
    const session::SessionGroup group = job_.sessions();
    return std::make_unique<remote::RegistrySource>(
        parts_.registry, std::move(reference), insecure,
        [make = parts_.credentials, group] { return make(group); });
  }
  if (type == "local") {
    const std::string digest = ValueOf(attributes, "digest");
    const std::string directory = ValueOf(attributes, "src");
    if (digest.empty()) {
      return absl::InvalidArgumentError("local cache importer requires explicit digest");
    }
    if (directory.empty()) {
      return absl::InvalidArgumentError("local cache importer requires src");
    }
    ASSIGN_OR_RETURN(const Digest parsed, Digest::Parse(digest));
    return std::make_unique<DirectorySource>(parts_.sessions, job_.sessions(), directory, parsed);
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown cache importer: ", type));
}

void BuildImports::Add(const std::string& type, const Attributes& attributes) {
  MutexLock lock(mu_);
  if (!known_.insert(IdentityOf(type, attributes)).second) {
    return;
  }
  auto cache = std::make_shared<ImportedCache>(kReadWait);
  job_.AddImports(cache);
  readers_.push_back(StartThread("import-cache", [this, type, attributes, cache] {
    const std::string name =
        absl::StrCat("importing cache manifest from ", NameOf(type, attributes));
    const auto read = [&](solver::VertexReporter& reporter) -> Status {
      auto resolved = Resolve(type, attributes);
      RETURN_IF_ERROR_IN(resolved.status(),
                         absl::StrCat("failed to configure ", type, " cache importer"));
      const std::shared_ptr<remote::CacheSource> source = *std::move(resolved);
      ASSIGN_OR_RETURN(remote::FoundCache found, remote::ReadCache(*source, stop_.token()));
      const exporter::ProgressLine line(
          reporter, parts_.clock, absl::StrCat("inferred cache manifest type: ", found.media_type));
      cache->Set(std::move(found.documents), source,
                 remote::LayerIntake(parts_.chains, parts_.layers, parts_.ledger));
      return absl::OkStatus();
    };
    const Status status = job_.RunVertex(Digest::Of(name), name, read);
    if (!status.ok()) {
      cache->SetUnreadable();
      if (!absl::IsCancelled(status)) {
        parts_.log.Warn("cache not imported",
                        {{"cache", NameOf(type, attributes)}, {"error", status.ToString()}});
      }
    }
  }));
}

}  // namespace cairn::caches
