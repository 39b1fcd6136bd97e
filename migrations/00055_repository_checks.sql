-- +goose Up
-- How each connection's repository was found when it was last looked at. Which objects are
-- damaged is sealed; how many are is not.

create table repository_checks (
    connection_id uuid not null,
    account_id uuid not null,
    checked_at timestamptz not null,
    sample real not null,
    snapshots bigint not null,
    segments bigint not null,
    segments_read bigint not null,
    bytes bigint not null,
    damaged int not null,
    concerned int not null,
    sealed bytea not null,
    alarm_id uuid,
    constraint repository_checks_pkey primary key (account_id, connection_id),
    constraint repository_checks_connection_fkey foreign key (account_id, connection_id)
        references connections (account_id, id) on delete cascade,
    constraint repository_checks_alarm_id_key unique (account_id, alarm_id)
);
comment on table repository_checks is 'how each connection''s repository was found by the last look at it';
comment on column repository_checks.sample is 'the part of the segments that was to be read, from 0 to 1';
comment on column repository_checks.concerned is 'how many snapshots stand on something damaged';
comment on column repository_checks.sealed is 'which objects are damaged, and how';
comment on column repository_checks.alarm_id is 'the last alarm that something is damaged that was not before; null: there was none';
alter table repository_checks enable row level security;
alter table repository_checks force row level security;
create policy repository_checks_own on repository_checks for select to imago_api, imago_worker
    using (account_id = (select current_account()));
create policy repository_checks_insert on repository_checks for insert to imago_worker
    with check (account_id = (select current_account()) and (select current_job_kind()) = 'check_repository');
create policy repository_checks_update on repository_checks for update to imago_worker
    using (account_id = (select current_account()) and (select current_job_kind()) = 'check_repository');
grant select on repository_checks to imago_api;
grant select, insert, update on repository_checks to imago_worker;

alter table messages drop constraint messages_kind_known;
alter table messages add constraint messages_kind_known
    check (kind in ('finding', 'receipt', 'window_open', 'snapshot_failed', 'snapshot_overdue', 'log_silent', 'payment_failed',
        'subscription_ends', 'subscription_ended', 'trial_ends', 'trial_ended', 'digest', 'storm', 'mail_stopped', 'product_update', 'escrow_made', 'account_deletion',
        'repository_damaged'));
