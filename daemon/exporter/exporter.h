// Exporter: writes a build's result somewhere: the image store, a registry, an archive or directory
// at the client. One Exporter per type (BuildKit's names: image, oci, docker, local, tar); Resolve
// reads a request's attributes into an Export.
//
// Exporters are thread-safe; an Export is used by one thread. One whose Run fails with kNotFound or
// kDataLoss for want of bytes has sent nothing yet, and is run again when they were made anew.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/gc/ledger.h"
#include "cache/layer/chain.h"
#include "daemon/session/session_group.h"
#include "daemon/solver/frontend.h"
#include "daemon/solver/progress.h"

namespace cairn::exporter {

// What is said about a platform's image, or about the files of an export (an in-toto statement).
struct SolvedAttestation {
  std::string predicate_type;
  // Makes the predicate (JSON) when it is written: by then the image's layers are, too.
  std::function<StatusOr<std::string>()> predicate;
  // What it is about; none stands for the export itself.
  std::vector<solver::Attestation::Subject> subjects;
  std::string file_name;  // "provenance.json", for exporters of files
  // Only for images, and only when they are to carry attestations (attestation-inline).
  bool inline_only = false;
  // A scan of the export itself: it is told which layers the files are in.
  bool core_scan = false;
};

// A frontend's result with every ref solved. A nullopt chain is scratch.
struct SolvedResult {
  std::optional<std::optional<layer::Chain>> single;
  std::map<std::string, std::optional<layer::Chain>> by_platform;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::vector<SolvedAttestation>> attestations;  // by platform id
  // What the configs of images are to carry as a build cache; by platform id, or for a single
  // result by "".
  std::map<std::string, std::string> inline_caches;
};

struct ExportContext {
  int index = 0;  // position in the request's exporter list: the id on the session
  std::string session_id;
  session::SessionGroup& sessions;
  solver::VertexReporter& reporter;
  gc::Lease& lease;
  CancelToken cancel;
};

class Export {
 public:
  virtual ~Export() = default;
  // Vertex name: "exporting to image".
  virtual std::string name() const = 0;
  // Returns the exporter response keys ("containerimage.digest", ...).
  virtual StatusOr<std::map<std::string, std::string>> Run(const SolvedResult& result,
                                                           ExportContext& context) = 0;
};

class Exporter {
 public:
  virtual ~Exporter() = default;
  // Unknown attributes are passed on as metadata or ignored, as BuildKit does; malformed values are
  // kInvalidArgument.
  virtual StatusOr<std::unique_ptr<Export>> Resolve(
      const std::map<std::string, std::string>& attributes) = 0;
};

}  // namespace cairn::exporter
