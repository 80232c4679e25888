// A team over Gloo.
#pragma once
#include <memory>

#include "engine/team.h"

namespace canal {

std::shared_ptr<Team> join_gloo_team(const TeamOptions& options, const Control& control);

}  // namespace canal
