-- +goose Up
-- What an account pays for, and the notifications of whoever takes the money. An
-- installation that sells nothing has no row in either.

create table subscriptions (
    account_id uuid not null,
    customer_id text not null,
    subscription_id text not null default '',
    plan text not null default '',
    state text not null default '',
    period_ends_at timestamptz,
    ends_at timestamptz,
    ended_at timestamptz,
    failed_since timestamptz,
    better text not null default '',
    better_until timestamptz,
    warning_id uuid,
    revision bigint not null default 0,
    updated_at timestamptz not null default now(),
    constraint subscriptions_pkey primary key (account_id),
    constraint subscriptions_account_fkey foreign key (account_id) references accounts (id),
    constraint subscriptions_customer_key unique (customer_id),
    constraint subscriptions_customer_length check (char_length(customer_id) between 1 and 255),
    constraint subscriptions_plan_known check (plan in ('', 'standard', 'business')),
    constraint subscriptions_better_known check (better in ('', 'standard', 'business')),
    constraint subscriptions_state_known
        check (state in ('', 'trialing', 'active', 'past_due', 'unpaid', 'paused', 'cancelled')),
    constraint subscriptions_failed_since_failing check ((failed_since is not null) = (state in ('past_due', 'unpaid')))
);
comment on table subscriptions is 'which customer of the payment processor an account is, and what it subscribes to as last asked';
comment on column subscriptions.failed_since is 'when we learned that a payment failed';
comment on column subscriptions.better is 'a plan that was left for a lesser one, whose data is kept for some time';
comment on column subscriptions.warning_id is 'the subject of the last mail about a failed payment or an end';
comment on column subscriptions.revision is 'how often it was written: who asked the processor before somebody else wrote asks again';
alter table subscriptions enable row level security;
alter table subscriptions force row level security;
-- The api makes the customer and no more; what is paid for, the worker alone writes.
create policy subscriptions_own on subscriptions to imago_api, imago_worker
    using (account_id = (select current_account()));
grant select, insert (account_id, customer_id) on subscriptions to imago_api;
grant select, update (subscription_id, plan, state, period_ends_at, ends_at, ended_at, failed_since, better, better_until,
    warning_id, revision, updated_at) on subscriptions to imago_worker;
grant select on subscriptions to imago_definer;
create policy subscriptions_definer on subscriptions for select to imago_definer using (true);

create table billing_events (
    id uuid not null default new_id(),
    account_id uuid not null,
    event_id text not null,
    kind text not null,
    received_at timestamptz not null default now(),
    constraint billing_events_pkey primary key (id),
    constraint billing_events_account_fkey foreign key (account_id) references accounts (id),
    constraint billing_events_event_key unique (event_id),
    constraint billing_events_length check (char_length(event_id) between 1 and 255 and char_length(kind) <= 255)
);
create index billing_events_account_idx on billing_events (account_id, received_at);
comment on table billing_events is 'notifications of the payment processor, each once; what they said is not kept: the processor is asked';
alter table billing_events enable row level security;
alter table billing_events force row level security;
create policy billing_events_own on billing_events for select to imago_api
    using (account_id = (select current_account()));
grant select on billing_events to imago_api;
grant select, insert, delete on billing_events to imago_definer;
create policy billing_events_definer on billing_events to imago_definer using (true) with check (true);

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For imago_api, with no proof: the processor tells that something changed for one of its
-- customers. Nothing comes back for a customer that is nobody's, and for what was told before.
-- +goose StatementBegin
create function note_billing_event(event text, kind text, customer text)
returns table (id uuid, account_id uuid)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    whose uuid;
begin
    select s.account_id into whose from public.subscriptions s where s.customer_id = customer;
    if whose is null then
        return;
    end if;
    delete from public.billing_events e where e.account_id = whose and e.received_at < now() - interval '90 days';
    return query
        insert into public.billing_events as e (account_id, event_id, kind)
        values (whose, event, note_billing_event.kind)
        on conflict on constraint billing_events_event_key do nothing
        returning e.id, e.account_id;
end
$$;
-- +goose StatementEnd
comment on function note_billing_event(text, text, text) is 'notes a notification of the payment processor, once';

-- +goose StatementBegin
create function current_event_account() returns uuid
language sql stable security definer set search_path = ''
as $$
    select e.account_id from public.billing_events e
    where session_user = 'imago_api'
        and current_setting('app.proof_kind', true) = 'event'
        and e.id = public.as_uuid(current_setting('app.proof', true))
        and e.received_at = now()
$$;
-- +goose StatementEnd
comment on function current_event_account() is 'whose notification was noted in this very transaction: its job may be enqueued, and no more';

-- +goose StatementBegin
do $$
begin
    execute 'grant create on schema public to imago_definer';
    execute 'alter function public.note_billing_event(text, text, text) owner to imago_definer';
    execute 'alter function public.current_event_account() owner to imago_definer';
    execute 'revoke create on schema public from imago_definer';
    execute 'revoke execute on function public.note_billing_event(text, text, text) from public';
    execute 'revoke execute on function public.current_event_account() from public';
    execute 'grant execute on function public.note_billing_event(text, text, text) to imago_api';
    execute 'grant execute on function public.current_event_account() to imago_api';
end
$$;
-- +goose StatementEnd

create policy river_job_billing_select on river.river_job for select to imago_api
    using (kind = 'apply_billing' and args ->> 'account_id' = (select current_event_account())::text);
create policy river_job_billing_insert on river.river_job for insert to imago_api
    with check (kind = 'apply_billing' and args ->> 'account_id' = (select current_event_account())::text);

alter table messages drop constraint messages_kind_known;
alter table messages add constraint messages_kind_known
    check (kind in ('finding', 'receipt', 'window_open', 'snapshot_failed', 'snapshot_overdue', 'log_silent',
        'payment_failed', 'subscription_ended'));
