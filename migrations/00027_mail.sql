-- +goose Up
-- Which mail a person gets in an account: at once, in a daily digest or not at all; and
-- one mail instead of a storm.

create table mail_preferences (
    account_id uuid not null,
    user_id uuid not null,
    topic text not null,
    timing text,
    threshold text,
    stopped text not null default '',
    stopped_at timestamptz,
    constraint mail_preferences_pkey primary key (account_id, user_id, topic),
    constraint mail_preferences_member_fkey foreign key (account_id, user_id) references members (account_id, user_id)
        on delete cascade,
    constraint mail_preferences_topic_known check (topic in ('drift', 'restores', 'backups', 'billing', 'updates')),
    constraint mail_preferences_timing_known check (timing in ('now', 'daily', 'never')),
    constraint mail_preferences_threshold_known check (threshold in ('low', 'medium', 'high', 'critical')),
    constraint mail_preferences_stopped_known check (stopped in ('', 'bounce', 'dropped', 'spam_report')),
    constraint mail_preferences_stopped_when check ((stopped = '') = (stopped_at is null))
);
comment on table mail_preferences is 'which mail a member wants, by topic, and which is stopped; no row: what their role gets';
comment on column mail_preferences.timing is 'null: what the role gets';
comment on column mail_preferences.threshold is 'the least severity that is worth a mail; null: any';
comment on column mail_preferences.stopped is 'why such mail is not sent, though it is wanted; empty: it is sent';
alter table mail_preferences enable row level security;
alter table mail_preferences force row level security;
-- Everybody chooses for themselves alone.
create policy mail_preferences_mine on mail_preferences to imago_api
    using (account_id = (select current_account()) and user_id = (select current_user_id()));
create policy mail_preferences_own on mail_preferences for select to imago_worker, imago_drift
    using (account_id = (select current_account()));
grant select, insert (account_id, user_id, topic, timing, threshold), update (timing, threshold, stopped, stopped_at)
    on mail_preferences to imago_api;
grant select on mail_preferences to imago_worker, imago_drift;

alter table messages add column topic text not null default '';
alter table messages add column severity text not null default '';
alter table messages add column waits_for text not null default '';
alter table messages add column due_at timestamptz;
alter table messages add column digest_id uuid;
comment on column messages.topic is 'what its recipient may choose; empty: it always comes';
comment on column messages.severity is 'the worst of the findings that it tells of';
comment on column messages.waits_for is 'the kind of mail that it will be a part of, when its time is due';
comment on column messages.digest_id is 'the subject of the mail that it has become a part of';
alter table messages drop constraint messages_state_known;
alter table messages add constraint messages_state_known check (state in ('queued', 'sent', 'failed', 'held', 'gathered'));
alter table messages add constraint messages_held check ((state = 'held') = (due_at is not null));
alter table messages add constraint messages_waits_for_known check (waits_for in ('', 'digest', 'storm'));
alter table messages drop constraint messages_kind_known;
alter table messages add constraint messages_kind_known
    check (kind in ('finding', 'receipt', 'window_open', 'snapshot_failed', 'snapshot_overdue', 'log_silent',
        'payment_failed', 'subscription_ended', 'digest', 'storm'));
create index messages_due_idx on messages (due_at) where state = 'held';
create index messages_digest_idx on messages (account_id, digest_id) where digest_id is not null;
create index messages_recent_idx on messages (account_id, user_id, created_at) where kind = 'finding';
grant insert (topic, severity, state, waits_for, due_at) on messages to imago_worker, imago_drift;
grant update (digest_id, due_at) on messages to imago_worker;
grant select on messages to imago_definer;
create policy messages_definer on messages for select to imago_definer using (true);

-- The function below reaches across accounts, as those of 00012 do and by the same rules.

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function due_digests(at timestamptz, most int)
returns table (account_id uuid, user_id uuid)
language sql stable security definer set search_path = ''
as $$
    select distinct m.account_id, m.user_id
    from public.messages m
    where public.current_job_kind() = 'run_schedules' and m.state = 'held' and m.due_at <= at
        and not exists (
            select from river.river_job j
            where j.kind = 'send_digest' and j.args @> jsonb_build_object('account_id', m.account_id, 'user_id', m.user_id)
                and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'))
    limit most
$$;
-- +goose StatementEnd
comment on function due_digests(timestamptz, int) is 'members for whom messages are held whose time has come';

-- +goose StatementBegin
create function stands_digest(args jsonb) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select from public.messages m
        where m.account_id = public.as_uuid(args ->> 'account_id') and m.user_id = public.as_uuid(args ->> 'user_id')
            and m.state = 'held')
$$;
-- +goose StatementEnd
comment on function stands_digest(jsonb) is 'whether messages are held for whom a tick is about to have a digest made';

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.due_digests(timestamptz, int) owner to imago_definer';
    execute 'alter function public.stands_digest(jsonb) owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.due_digests(timestamptz, int) from public';
    execute 'revoke execute on function public.stands_digest(jsonb) from public';
    execute 'grant execute on function public.due_digests(timestamptz, int) to imago_worker';
    execute 'grant execute on function public.stands_digest(jsonb) to imago_worker';
end
$$;
-- +goose StatementEnd

create policy river_job_digest_insert on river.river_job for insert to imago_worker
    with check (kind = 'send_digest' and (select current_job_kind()) = 'run_schedules' and stands_digest(args));
