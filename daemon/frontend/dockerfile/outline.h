// Outline: the parameters that a target takes (build arguments, secrets, ssh agents).
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/instruction.h"
#include "daemon/frontend/dockerfile/location.h"

namespace cairn::dockerfile {

struct OutlineArg {
  std::string name;
  std::string value;
  std::string description;
  Ranges location;
};

// A secret or an ssh agent.
struct OutlineMount {
  std::string name;
  bool required = false;
  Ranges location;
};

struct Outline {
  std::string name;
  std::string description;
  std::vector<OutlineArg> args;
  std::vector<OutlineMount> secrets;
  std::vector<OutlineMount> ssh;
};

// What one stage is known to use, gathered while it is converted.
struct OutlineCapture {
  struct Arg {
    ArgDefinition definition;
    std::string value;
    std::set<std::string> dependencies;  // variables its default refers to
    Ranges location;
  };
  std::map<std::string, Arg> args;
  std::set<std::string> used_args;
  std::map<std::string, OutlineMount> secrets;
  std::map<std::string, OutlineMount> ssh;

  // Adds to used_args everything that used arguments depend on.
  void CloseUsedArgs();
};

}  // namespace cairn::dockerfile
