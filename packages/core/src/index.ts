export { chainNames } from './chain/chain-branches.ts'
export { type ChainHistory, historyOf, type RepositoryListing } from './chain/chain-history.ts'
export type { ChainWarning, ChainWarningCode } from './chain/chain-warnings.ts'
export { findGaps, type Gap, type GapKind, type GapSide } from './chain/find-gaps.ts'
export { type NextCapture, type NextKindRequest, nextKind, type ServerState } from './chain/next-kind.ts'
export type { NearestTarget, NoChainPlan, NoChainPlanCode } from './chain/no-chain-plan.ts'
export { type ChainPlan, type ChainTarget, type PlannedBackup, planChain } from './chain/plan-chain.ts'
export { describePosition, equalPositions, orderOf } from './chain/position-order.ts'
export type { PromotionCode, PromotionReason } from './chain/promotion-reasons.ts'
export { type RestorePoint, type RestoreWindow, restoreWindows } from './chain/restore-windows.ts'
export { historyName, historyNumber } from './chain/server-histories.ts'
export * from './contracts/index.ts'
export { type DrillReport, type DrillRequest, drill } from './drill/drill.ts'
export type {
  DrillEvidence,
  DrilledBackup,
  DrilledPoint,
  DrillFailure,
  DrillGoal,
  DrillOutcome,
  DrillProblem,
  EvidenceSignature,
  SignedEvidence,
} from './drill/drill-evidence.ts'
export { manifestDigest } from './drill/drill-record.ts'
export { createEvidenceKey, evidenceKeyId, publicKeyOf, signEvidence, verifyEvidence } from './drill/evidence-signature.ts'
export { evidencePrefix, listEvidence, type StoredEvidence, storeEvidence } from './drill/evidence-store.ts'
export { randomRestorePoint } from './drill/random-restore-point.ts'
export { abortError, BackupError, type BackupErrorOptions, isFailureCode, throwIfAborted } from './errors/backup-error.ts'
export type { RunAction, RunEvent, RunEventListener, RunOutcome } from './events/run-event.ts'
export { type RunOptions, RunReporter } from './events/run-reporter.ts'
export type { FinishedRunFacts, Hook, Hooks, RunFacts } from './hooks/hook.ts'
export { type HookedOptions, type HookedParts, type HookedRun, runWithHooks } from './hooks/run-with-hooks.ts'
export { applyLayers, type Layers } from './layers/apply-layers.ts'
export { createThrottle, type Throttle, type ThrottleClock, type ThrottleSettings } from './layers/throttle.ts'
export { uploaderLayer } from './layers/uploader-layer.ts'
export { type DryRunUploader, type PretendedWrite, withDryRun } from './layers/with-dry-run.ts'
export { type UploaderLogEntry, withLogging } from './layers/with-logging.ts'
export { type RetryNotice, type RetrySettings, withRetry } from './layers/with-retry.ts'
export { withThrottle } from './layers/with-throttle.ts'
export { canonicalJson } from './manifest/canonical-json.ts'
export { parseManifest } from './manifest/parse-manifest.ts'
export { withMirrors } from './mirrors/with-mirrors.ts'
export { decodeSegment, encodeSegment } from './naming/path-segment.ts'
export { agentGuideHeading, agentGuideOf } from './naming/restore-guide.ts'
export { assertSafePath } from './naming/safe-path.ts'
export { type BackUpParts, type BackUpReport, backUp } from './pipeline/back-up.ts'
export { chainTo, readChain } from './pipeline/backup-chain.ts'
export { describeStop } from './pipeline/chain-guide.ts'
export { type ChosenBackup, type ChosenChain, chooseChain, type GoalRequest } from './pipeline/chosen-chain.ts'
export { type CopyBackupParts, type CopyBackupReport, copyBackup } from './pipeline/copy-backup.ts'
export { type ExtractFilesReport, type ExtractFilesRequest, extractFiles } from './pipeline/extract-files.ts'
export { type FollowLogsParts, type FollowOptions, type FollowReport, followLogs } from './pipeline/follow-logs.ts'
export { type ListedRepository, listJob, type NamedRepository, notListed, type RepositoryListings } from './pipeline/named-repository.ts'
export { isRestored, itemsLeftOut, type RestoreParts, restore, restoreOutcome } from './pipeline/restore.ts'
export { type AskedPosition, describeGoal, type RestoreGoal } from './pipeline/restore-goal.ts'
export {
  type BackupRestorePlanRequest,
  type GoalRestorePlanRequest,
  type RestorePlanRequest,
  restorePlan,
} from './pipeline/restore-plan.ts'
export { createRunId } from './pipeline/run-id.ts'
export type { ScratchSettings } from './pipeline/scratch-space.ts'
export { type VerifyParts, verify } from './pipeline/verify.ts'
export type { Command, CommandResult, CommandRunner } from './process/command.ts'
export { commandRunner, runCommand } from './process/command-runner.ts'
export { maskSecrets } from './process/secret-masking.ts'
export { type ApplyRetentionParts, applyRetention, type RetentionReport } from './retention/apply-retention.ts'
export { planRetention, type RetentionDecision, type RetentionOptions } from './retention/plan-retention.ts'
export type { RetentionReason, RetentionReasonCode } from './retention/retention-reasons.ts'
export type { KeepRules, RetentionRules } from './retention/retention-rules.ts'
export { acquireLease, type LeaseRequest } from './schedule/acquire-lease.ts'
export { checkPolicy, type PolicyProblem } from './schedule/check-policy.ts'
export { afterClockWasSet } from './schedule/clock-correction.ts'
export { type DueReport, type DueRun, due, type MissedSlots } from './schedule/due.ts'
export type { HeldLease } from './schedule/held-lease.ts'
export { isLeaseConflict, leaseConflict } from './schedule/lease-conflict.ts'
export type { LeaseObservations } from './schedule/lease-objects.ts'
export {
  createJobList,
  type JobList,
  type ReplaceableJobList,
  runSchedule,
  type ScheduledResult,
  type ScheduleParts,
  type ScheduleState,
  type ScheduleStateStore,
} from './schedule/run-schedule.ts'
export { type ScheduleClock, systemClock } from './schedule/schedule-clock.ts'
export type { ScheduledBackup, ScheduledOutcome, ScheduledRun, ScheduleEvent, ScheduleEventListener } from './schedule/schedule-event.ts'
export {
  type BegunRun,
  beginRun,
  endRun,
  type JobHistory,
  type LastRun,
  laterHistory,
  leaveOut,
  type RunEnd,
  rememberedHistory,
  type SlotAttempts,
  type TaskHistory,
  type TaskSchedule,
} from './schedule/schedule-history.ts'
export {
  type RetryPolicy,
  retriesByDefault,
  type SchedulePolicy,
  type ScheduleTask,
  type StartWindow,
  scheduleTasks,
  type Weekday,
  weekdays,
} from './schedule/schedule-policy.ts'
export { beginWatching, watchNewTasks } from './schedule/watched-tasks.ts'
export { nearest } from './settings/nearest.ts'
export { parseSettings } from './settings/parse-settings.ts'
export { describeBytes } from './sizes/describe-bytes.ts'
export { isAbandoned } from './staging/abandoned-place.ts'
export { createDirectoryStaging, type DirectoryStagingSettings } from './staging/directory-staging.ts'
export { freeBytes } from './staging/disk-errors.ts'
export { currentOwner, ownedName, ownerInName, ownerState, type ProcessOwner } from './staging/process-owner.ts'
export { minimumFreeByDefault, type StagingSettingNames } from './staging/setting-names.ts'
export { createStreamStaging } from './staging/stream-staging.ts'
export type { RunObservation, RunObserver } from './telemetry/run-observation.ts'
export { createRunTelemetry, type JobStanding, type RunTelemetry, type RunTelemetrySettings } from './telemetry/run-telemetry.ts'
export { isTimeZone, type TimeZone, timeZone, type ZoneStretch } from './time/time-zone.ts'
export { clampRange } from './uploaders/byte-range.ts'
export { abortable, type CheckedContent, type CheckOptions, checkedContent, measuredContent } from './uploaders/checked-content.ts'
export { createDirectoryUploader, type DirectoryUploader, type DirectoryUploaderSettings } from './uploaders/directory-uploader.ts'
export { directoryUploaderPlugin } from './uploaders/directory-uploader-plugin.ts'
export { removeObjects } from './uploaders/remove-objects.ts'
export { unlessAborted } from './uploaders/unless-aborted.ts'
