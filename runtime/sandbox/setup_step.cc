#include "runtime/sandbox/setup_step.h"

namespace cairn::sandbox {

const char* SetupStepName(SetupStep step) {
  switch (step) {
    case SetupStep::kNone:
      return "none";
    case SetupStep::kHelper:
      return "helper";
    case SetupStep::kCgroup:
      return "cgroup";
    case SetupStep::kNamespaces:
      return "namespaces";
    case SetupStep::kNetwork:
      return "network";
    case SetupStep::kRoot:
      return "root";
    case SetupStep::kMount:
      return "mount";
    case SetupStep::kUser:
      return "user";
    case SetupStep::kDirectory:
      return "working directory";
    case SetupStep::kTerminal:
      return "terminal";
    case SetupStep::kPrivileges:
      return "privileges";
    case SetupStep::kExec:
      return "exec";
  }
  return "unknown";
}

}  // namespace cairn::sandbox
