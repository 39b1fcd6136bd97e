-- +goose Up
-- What people make of findings: each word with who said it, when and why; and what the
-- drift monitor saw a day.

-- Unique, so that what is said of a finding stays in its account and its connection.
drop index findings_list_idx;
create unique index findings_list_idx on findings (account_id, connection_id, id);
alter table findings add column snoozed_until timestamptz;
alter table findings add column actors text[] not null default '{}';
alter table findings drop constraint findings_state_known;
alter table findings add constraint findings_state_known
    check (state in ('open', 'acknowledged', 'accepted', 'snoozed', 'resolved'));
alter table findings add constraint findings_snoozed check (state <> 'snoozed' or snoozed_until is not null);
comment on column findings.snoozed_until is 'when a snoozed finding opens again; its job is end_snooze';
comment on column findings.actors is 'keyed digests of how who did it is called, to be looked for by; they tell nothing';
create index findings_open_idx on findings (account_id, connection_id, severity) where state = 'open';
grant update (snoozed_until) on findings to imago_api;
grant update (state, resolved_by, resolved_at, snoozed_until) on findings to imago_worker;
grant insert (actors) on findings to imago_drift;

create table finding_states (
    id uuid not null,
    account_id uuid not null,
    connection_id uuid not null,
    finding_id uuid not null,
    state text not null,
    changed_by uuid,
    changed_at timestamptz not null default now(),
    until timestamptz,
    restore_id uuid,
    sealed bytea,
    constraint finding_states_pkey primary key (id),
    constraint finding_states_finding_fkey foreign key (account_id, connection_id, finding_id)
        references findings (account_id, connection_id, id) on delete cascade,
    constraint finding_states_changed_by_fkey foreign key (changed_by) references users (id),
    constraint finding_states_restore_fkey foreign key (account_id, restore_id) references restores (account_id, id),
    constraint finding_states_state_known check (state in ('open', 'acknowledged', 'accepted', 'snoozed', 'resolved')),
    constraint finding_states_until check ((state = 'snoozed') = (until is not null))
);
create index finding_states_list_idx on finding_states (account_id, connection_id, finding_id);
comment on table finding_states is 'what was said of findings, by whom and why: rows are only added';
comment on column finding_states.changed_by is 'null: nobody; a snooze ended, or a restore put it back';
comment on column finding_states.sealed is 'the address of who said it, and the reason';
alter table finding_states enable row level security;
alter table finding_states force row level security;
-- Nobody speaks in another's name; a job speaks in nobody's.
create policy finding_states_own on finding_states to imago_api, imago_worker
    using (account_id = (select current_account()))
    with check (account_id = (select current_account()) and changed_by is not distinct from (select current_user_id()));
grant select, insert (id, account_id, connection_id, finding_id, state, changed_by, until, restore_id, sealed)
    on finding_states to imago_api, imago_worker;

-- Who snoozes a finding has it opened again.
create policy river_job_api_snooze on river.river_job for insert to imago_api
    with check (kind = 'end_snooze' and args ->> 'account_id' = (select current_account())::text);

create table change_days (
    account_id uuid not null,
    connection_id uuid not null,
    day date not null,
    changes bigint not null,
    constraint change_days_pkey primary key (account_id, connection_id, day),
    constraint change_days_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id) on delete cascade
);
comment on table change_days is 'how many changes the drift monitor saw in an org, by day (UTC): numbers, and nothing of what changed';
alter table change_days enable row level security;
alter table change_days force row level security;
create policy change_days_own on change_days to imago_api, imago_drift
    using (account_id = (select current_account()));
grant select on change_days to imago_api;
grant select, insert, update (changes) on change_days to imago_drift;
