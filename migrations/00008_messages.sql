-- +goose Up
create table messages (
    id uuid not null default new_id(),
    account_id uuid not null,
    kind text not null,
    subject_id uuid not null,
    user_id uuid not null,
    state text not null default 'queued',
    created_at timestamptz not null default now(),
    sent_at timestamptz,
    constraint messages_pkey primary key (id),
    constraint messages_once_key unique (account_id, kind, subject_id, user_id),
    constraint messages_member_fkey foreign key (account_id, user_id) references members (account_id, user_id)
        on delete cascade,
    constraint messages_kind_known check (kind in ('finding', 'receipt', 'snapshot_failed', 'snapshot_overdue', 'log_silent')),
    constraint messages_state_known check (state in ('queued', 'sent', 'failed'))
);
comment on table messages is 'mail to members: IDs only; what they say is rendered when they are sent';
alter table messages enable row level security;
alter table messages force row level security;
create policy messages_own on messages to imago_worker, imago_drift
    using (account_id = (select current_account()));
grant select, insert (id, account_id, kind, subject_id, user_id), update (state, sent_at) on messages to imago_worker;
grant select, insert (id, account_id, kind, subject_id, user_id) on messages to imago_drift;
