#include "daemon/control/input_producers.h"

namespace cairn::control {
namespace {

// The digest of the vertex that `definition` leads to; "" for none.
std::string TargetOf(const pb::Definition& definition) {
  pb::Op op;
  if (definition.def().empty() || !op.ParseFromString(definition.def(definition.def_size() - 1)) ||
      op.inputs_size() == 0) {
    return "";
  }
  return op.inputs(0).digest();
}

}  // namespace

uint64_t InputProducers::Add(const pb::Definition& definition,
                             std::shared_ptr<const provenance::Request> request) {
  const std::string target = TargetOf(definition);
  if (target.empty()) {
    return 0;
  }
  MutexLock lock(mu_);
  const uint64_t id = ++last_id_;
  entries_.emplace(id, Entry{target, std::move(request)});
  by_target_.emplace(target, id);
  return id;
}

void InputProducers::Remove(uint64_t id) {
  MutexLock lock(mu_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    return;
  }
  const auto [begin, end] = by_target_.equal_range(found->second.target);
  for (auto it = begin; it != end; ++it) {
    if (it->second == id) {
      by_target_.erase(it);
      break;
    }
  }
  entries_.erase(found);
}

std::shared_ptr<const provenance::Request> InputProducers::Find(
    const pb::Definition& definition) const {
  const std::string target = TargetOf(definition);
  MutexLock lock(mu_);
  std::shared_ptr<const provenance::Request> request;
  const auto [begin, end] = by_target_.equal_range(target);
  for (auto it = begin; it != end; ++it) {
    const auto& other = entries_.at(it->second).request;
    if (request != nullptr && *request != *other) {
      return nullptr;
    }
    request = other;
  }
  return request;
}

std::map<std::string, std::shared_ptr<const provenance::Request>> InputProducers::FindAll(
    const std::map<std::string, pb::Definition>& inputs) const {
  std::map<std::string, std::shared_ptr<const provenance::Request>> out;
  for (const auto& [name, definition] : inputs) {
    if (auto request = Find(definition); request != nullptr) {
      out.emplace(name, std::move(request));
    }
  }
  return out;
}

}  // namespace cairn::control
