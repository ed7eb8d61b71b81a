// Capture: what a result was made of, as provenance tells it: its materials, the secrets that its
// steps were given, and the request that it answers.
//
// A value; its functions are pure.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/solver/ref.h"
#include "proto/ops.pb.h"
#include "runtime/base/digest.h"
#include "runtime/base/platform.h"
#include "runtime/base/status.h"

namespace cairn::provenance {

struct ImageMaterial {
  std::string reference;  // normalised: "docker.io/library/busybox:latest"
  std::optional<Platform> platform;
  std::optional<Digest> digest;  // of what the reference resolved to
  bool local = false;            // from an OCI layout, not from a registry
  bool blob = false;             // one blob, named by its digest, and no image
  friend bool operator==(const ImageMaterial&, const ImageMaterial&) = default;
};

struct GitMaterial {
  std::string url;  // with "#ref"
  std::string commit;
};

struct HttpMaterial {
  std::string url;
  Digest digest;
};

// A secret or an ssh agent, by the id that steps know it by.
struct Grant {
  std::string id;
  bool optional = false;  // for every step that has it
};

// A request for a result: without a frontend the client sent the graph itself.
struct Request {
  std::string frontend;
  std::map<std::string, std::string> arguments;
  // The requests that made the inputs it was given, of those that are known.
  std::map<std::string, std::shared_ptr<const Request>> inputs;
  // This one and all within it, each as often as it is told.
  size_t size = 1;

  // By value, inputs too; the size follows from them.
  bool operator==(const Request& other) const;
};

struct Capture {
  Request request;
  // What the client asked the daemon for, when a frontend or client made other requests of that;
  // null when it is the request above.
  std::shared_ptr<const Request> root;

  std::vector<ImageMaterial> images;
  std::vector<GitMaterial> git;
  std::vector<HttpMaterial> http;
  std::vector<std::string> locals;  // names of the client's directories
  std::vector<Grant> secrets;
  std::vector<Grant> ssh;
  bool network_access = false;        // of some step
  bool incomplete_materials = false;  // some step is made of what is not known here

  // Add what is not there yet. References are normalised, credentials taken out of URLs.
  void AddImage(ImageMaterial image);
  void AddGit(GitMaterial material);
  void AddHttp(HttpMaterial material);
  void AddLocal(const std::string& name);
  void AddSecret(const Grant& grant);
  void AddSsh(Grant grant);
  // Adds all of `other` but its request and root.
  void Merge(const Capture& other);

  // Drops images known by digest that are there by tag as well, and sorts everything.
  void Normalize();
};

// What the graph of `definition` is made of. `solved` is Ref::Solved() of its result; sources that
// are not in it were not needed and are left out. kInvalidArgument for a malformed definition.
StatusOr<Capture> CaptureDefinition(const pb::Definition& definition,
                                    const std::map<Digest, solver::SolvedVertex>& solved);

// The options of a frontend's request as provenance shows them: without those that are about this
// host or about attestations, and without credentials in URLs.
std::map<std::string, std::string> FilterArguments(
    const std::map<std::string, std::string>& options);

}  // namespace cairn::provenance
