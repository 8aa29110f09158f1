-- The health of an EdgeLoadBalancer, from the conditions that kstatus reads as well. Reconciling: the operator works on it, or
-- retries by itself. Stalled: somebody must change something. If neither is true and the object is not ready, the spec wants the
-- hosts left as they are (spec.suspend, or spec.driftPolicy: Report). What happened, and what to do, is in the messages.
local hs = {
  status = "Progressing",
  message = "edgelb has not observed this version of the object yet; if it stays so, check that edgelb's operator runs"
}
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local function is(kind, status)
  return conditions[kind] ~= nil and conditions[kind].status == status
end
local function health(status, kind)
  hs.status = status
  hs.message = conditions[kind].message or ""
  return hs
end

if is("Reconciling", "True") then
  return health("Progressing", "Reconciling")
end
if is("Stalled", "True") then
  return health("Degraded", "Stalled")
end
if is("Ready", "False") then
  return health("Suspended", "Ready")
end
if is("Ready", "True") then
  -- The health of the servers is not that of the edge, but worth a message.
  if is("TargetsHealthy", "False") then
    return health("Healthy", "TargetsHealthy")
  end
  return health("Healthy", "Ready")
end
return hs
