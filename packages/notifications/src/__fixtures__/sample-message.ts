import type { NotificationMessage } from '../rules/notification-message.ts'

/** A failure whose texts hold what services would read as markup, as calls to people, or as the end of a text. */
export const oddMessage: NotificationMessage = {
  id: '1784851200000.7.failed',
  answers: '1784850000000.3.failed',
  type: 'failed',
  severity: 'bad',
  at: '2026-07-24T00:00:00.000Z',
  host: 'db1.example.org',
  job: 'shop',
  task: 'log',
  subject: 'shop: log backup failed (APPLICATION) <!channel> @everyone *bold* & "quoted"',
  body: 'The log backup failed.\n\n  APPLICATION\n  table `a"b\\c` <script>alert(1)</script> ```code``` {{host}} äöü 💾\n\nLast success: none',
  code: 'APPLICATION',
  message: 'table `a"b\\c` is crashed',
  hint: 'Repair it.',
  restorableUntil: '2026-07-23T23:00:00.000Z',
}
