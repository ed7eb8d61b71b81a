#include "daemon/control/request_record.h"

#include <algorithm>
#include <set>
#include <utility>

namespace cairn::control {
namespace {

// A chain of requests in which each has its predecessor as two inputs would be told without end.
constexpr size_t kMaxRequestSize = 1000;

void AddRefs(const solver::FrontendResult& result, std::vector<solver::RefPtr>* out) {
  const auto add = [out](const solver::RefPtr& ref) {
    if (ref != nullptr) {
      out->push_back(ref);
    }
  };
  if (result.ref.has_value()) {
    add(*result.ref);
  }
  for (const auto& entry : result.refs) {
    add(entry.second);
  }
  for (const auto& entry : result.attestations) {
    for (const solver::Attestation& attestation : entry.second) {
      add(attestation.ref);
    }
  }
}

solver::RefPtr RefFor(const solver::FrontendResult& result, const std::string& platform_id) {
  const auto found = result.refs.find(platform_id);
  if (found != result.refs.end()) {
    return found->second;
  }
  return result.ref.value_or(nullptr);
}

StatusOr<provenance::Capture> CaptureRef(solver::Ref& ref) {
  return provenance::CaptureDefinition(ref.definition(), ref.Solved());
}

// An image that was asked for once for each of the result's platforms is a material of the one it
// was asked for.
std::vector<provenance::ImageMaterial> ForPlatform(
    const std::vector<provenance::ImageMaterial>& images, const Platform& wanted,
    const std::vector<exporter::ResultPlatform>& platforms) {
  const auto is_for_all = [&images, &platforms](const std::string& reference) {
    return std::all_of(platforms.begin(), platforms.end(), [&](const auto& platform) {
      return std::any_of(images.begin(), images.end(), [&](const auto& image) {
        return image.reference == reference && image.platform.has_value() &&
               platform.platform.Accepts(*image.platform);
      });
    });
  };
  std::vector<provenance::ImageMaterial> out;
  for (const provenance::ImageMaterial& image : images) {
    const bool fits =
        !image.platform.has_value() ||
        (image.platform->os == wanted.os && image.platform->architecture == wanted.architecture);
    if (fits || platforms.size() < 2 || !is_for_all(image.reference)) {
      out.push_back(image);
    }
  }
  return out;
}

std::shared_ptr<const provenance::Request> MakeRequest(
    const InputProducers& producers, const std::string& frontend,
    const std::map<std::string, std::string>& options,
    const std::map<std::string, pb::Definition>& inputs) {
  auto request = std::make_shared<provenance::Request>();
  request->frontend = frontend;
  request->arguments = provenance::FilterArguments(options);
  request->inputs = producers.FindAll(inputs);
  for (const auto& input : request->inputs) {
    request->size += input.second->size;
  }
  if (request->size > kMaxRequestSize) {
    request->inputs.clear();
    request->size = 1;
  }
  return request;
}

}  // namespace

RequestRecord::RequestRecord(InputProducers& producers, const std::string& frontend,
                             const std::map<std::string, std::string>& options,
                             const std::map<std::string, pb::Definition>& inputs)
    : producers_(producers),
      request_(std::make_shared<provenance::Request>()),
      root_(MakeRequest(producers, frontend, options, inputs)) {}

RequestRecord::~RequestRecord() {
  MutexLock lock(mu_);
  for (const uint64_t id : outcomes_) {
    producers_.Remove(id);
  }
}

RequestRecord& RequestRecord::AddFrontend(const std::string& name,
                                          const std::map<std::string, std::string>& options,
                                          const std::map<std::string, pb::Definition>& inputs) {
  Request request = MakeRequest(producers_, name, options, inputs);
  MutexLock lock(mu_);
  children_.push_back(
      std::unique_ptr<RequestRecord>(new RequestRecord(producers_, std::move(request))));
  return *children_.back();
}

void RequestRecord::AddOutcome(const solver::FrontendResult& result) {
  AddResult(result);
  std::vector<solver::RefPtr> refs;
  AddRefs(result, &refs);
  MutexLock lock(mu_);
  for (const solver::RefPtr& ref : refs) {
    outcomes_.push_back(producers_.Add(ref->definition(), request_));
  }
}

void RequestRecord::AddResult(const solver::FrontendResult& result) {
  MutexLock lock(mu_);
  AddRefs(result, &refs_);
}

void RequestRecord::AddImage(provenance::ImageMaterial image) {
  MutexLock lock(mu_);
  images_.push_back(std::move(image));
}

StatusOr<std::optional<provenance::Capture>> RequestRecord::CaptureOf(
    const solver::FrontendResult& result, const exporter::ResultPlatform& platform,
    const std::vector<exporter::ResultPlatform>& platforms) const {
  const solver::RefPtr ref = RefFor(result, platform.id);
  const RequestRecord* maker = ref == nullptr ? nullptr : FindMaker(ref);
  if (maker == nullptr) {
    return std::optional<provenance::Capture>();
  }
  ASSIGN_OR_RETURN(provenance::Capture capture, CaptureRef(*ref));
  capture.request = *maker->request_;
  if (root_ != nullptr && *root_ != provenance::Request() && *root_ != capture.request) {
    capture.root = root_;
  }
  // What was read on the way (the Dockerfile, say) is a material as well; other platforms are not.
  std::vector<solver::RefPtr> of_result;
  AddRefs(result, &of_result);
  std::set<solver::RefPtr> seen(of_result.begin(), of_result.end());
  for (const solver::RefPtr& other : maker->AllRefs()) {
    if (seen.insert(other).second) {
      ASSIGN_OR_RETURN(const provenance::Capture more, CaptureRef(*other));
      capture.Merge(more);
    }
  }
  for (provenance::ImageMaterial& image :
       ForPlatform(maker->AllImages(), platform.platform, platforms)) {
    capture.AddImage(std::move(image));
  }
  capture.Normalize();
  return std::optional<provenance::Capture>(std::move(capture));
}

const RequestRecord* RequestRecord::FindMaker(const solver::RefPtr& ref) const {
  for (const RequestRecord* child : Children()) {
    const RequestRecord* found = child->FindMaker(ref);
    if (found != nullptr) {
      return found;
    }
  }
  MutexLock lock(mu_);
  return std::find(refs_.begin(), refs_.end(), ref) == refs_.end() ? nullptr : this;
}

std::vector<solver::RefPtr> RequestRecord::AllRefs() const {
  std::vector<solver::RefPtr> refs;
  {
    MutexLock lock(mu_);
    refs = refs_;
  }
  for (const RequestRecord* child : Children()) {
    const std::vector<solver::RefPtr> more = child->AllRefs();
    refs.insert(refs.end(), more.begin(), more.end());
  }
  return refs;
}

std::vector<provenance::ImageMaterial> RequestRecord::AllImages() const {
  std::vector<provenance::ImageMaterial> images;
  {
    MutexLock lock(mu_);
    images = images_;
  }
  for (const RequestRecord* child : Children()) {
    std::vector<provenance::ImageMaterial> more = child->AllImages();
    std::move(more.begin(), more.end(), std::back_inserter(images));
  }
  return images;
}

std::vector<const RequestRecord*> RequestRecord::Children() const {
  MutexLock lock(mu_);
  std::vector<const RequestRecord*> children;
  for (const auto& child : children_) {
    children.push_back(child.get());
  }
  return children;
}

}  // namespace cairn::control
