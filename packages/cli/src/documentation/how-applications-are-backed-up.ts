import type { CapturePlan } from '@backup-planet/core'

/** One application with the plans of its agent, on a typical server. */
export interface DocumentedApplication {
  /** As people write it, such as `MySQL and MariaDB`. */
  readonly title: string
  readonly plans: readonly DocumentedPlan[]
}

/** A plan, and for which servers it is where they differ. */
export interface DocumentedPlan extends CapturePlan {
  readonly of?: string
}

/**
 * The document that says, application by application, what a backup does: the same numbered steps that
 * `backup-planet run JOB --plan` prints, so that the document cannot promise what the program does not do.
 */
export function howApplicationsAreBackedUp(applications: readonly DocumentedApplication[]): string {
  return `${[
    '# How each application is backed up',
    'This page is made from the plans of the agents themselves: `backup-planet run JOB --plan` prints the same steps for your own server, with its own names and sizes. Edit the agents, not this page.',
    'Every backup ends the same way, whatever the application: what was copied is stored in the repository while it is being copied, the record of the backup is written last, and only then is the application told that it is backed up. A run that is killed at any point leaves nothing that looks like a backup.',
    ...applications.flatMap(({ title, plans }) => [`## ${title}`, ...plans.flatMap(planSection)]),
  ].join('\n\n')}\n`
}

function planSection(plan: DocumentedPlan): readonly string[] {
  const steps = plan.steps.map(({ number, text }) => `${number}. ${text}`)
  return [
    `### A ${plan.kind} backup${plan.of === undefined ? '' : ` of ${plan.of}`}`,
    ...(plan.reason === undefined ? [] : [`Why ${plan.kind}: ${plan.reason}.`]),
    steps.join('\n'),
  ]
}
