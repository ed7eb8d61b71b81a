// An OCI image layout (image-spec, image-layout.md) in a directory of this client: blobs that the
// daemon writes and reads over the session, and an index of the images by name.
//
// Thread-safe, except AddImage.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace cairn::client {

// Serves layouts by the names that the daemon knows them under: "export" and "local:<path>" (a
// build cache), directories that are made when they are first written to, and "oci:<id>", which are
// only read. What is written is checked against its digest.
std::unique_ptr<grpc::Service> MakeContentService(std::map<std::string, std::string> layouts);

// Lists the image with this descriptor (OCI JSON) in the layout's index, once for each of `names`
// ("docker.io/library/app:1"), in place of images that had these names. Without names it is listed
// as it is.
Status AddImage(const std::string& layout, const std::string& descriptor,
                const std::vector<std::string>& names);

// Lists the manifest with this descriptor (OCI JSON) under a tag alone, in place of what had that
// tag. For a build cache.
Status SetTag(const std::string& layout, const std::string& descriptor, const std::string& tag);

// The digest of what the layout lists under that tag alone; kNotFound when there is none.
StatusOr<std::string> FindTag(const std::string& layout, const std::string& tag);

// An image of a layout on this machine.
struct LayoutImage {
  std::string directory;
  std::string digest;
};

// What "path[:tag][@digest]" names; without tag and digest the tag is latest. A tag that the index
// does not have means the image of an index with only one. kNotFound when there is no such image.
StatusOr<LayoutImage> FindLayoutImage(const std::string& text);

}  // namespace cairn::client
