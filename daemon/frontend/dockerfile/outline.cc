#include "daemon/frontend/dockerfile/outline.h"

namespace cairn::dockerfile {

void OutlineCapture::CloseUsedArgs() {
  std::vector<std::string> open(used_args.begin(), used_args.end());
  while (!open.empty()) {
    const std::string name = open.back();
    open.pop_back();
    const auto found = args.find(name);
    if (found == args.end()) {
      continue;
    }
    for (const std::string& dependency : found->second.dependencies) {
      if (used_args.insert(dependency).second) {
        open.push_back(dependency);
      }
    }
  }
}

}  // namespace cairn::dockerfile
