-- +goose Up
-- When a person's daily digest comes.

create table digest_times (
    account_id uuid not null,
    user_id uuid not null,
    hour int not null,
    time_zone text not null,
    constraint digest_times_pkey primary key (account_id, user_id),
    constraint digest_times_member_fkey foreign key (account_id, user_id) references members (account_id, user_id)
        on delete cascade,
    constraint digest_times_hour_range check (hour between 0 and 23),
    constraint digest_times_time_zone_length check (char_length(time_zone) between 1 and 64)
);
comment on table digest_times is 'when a member''s daily digest comes; no row: as messages.DigestHour says, in UTC';
alter table digest_times enable row level security;
alter table digest_times force row level security;
create policy digest_times_mine on digest_times to imago_api
    using (account_id = (select current_account()) and user_id = (select current_user_id()));
create policy digest_times_own on digest_times for select to imago_worker, imago_drift
    using (account_id = (select current_account()));
grant select, insert, update (hour, time_zone) on digest_times to imago_api;
grant select on digest_times to imago_worker, imago_drift;

-- An hour that is left out when clocks go forward comes with the one after it, as Postgres
-- reads it; one that comes twice counts once. A zone that this server does not know any more
-- holds no alert up: it is read as UTC.
-- +goose StatementBegin
create function next_digest(hour int, time_zone text, after timestamptz) returns timestamptz
language plpgsql stable set search_path = ''
as $$
declare
    today timestamp;
begin
    today := date_trunc('day', after at time zone time_zone) + make_interval(hours => hour);
    if today at time zone time_zone > after then
        return today at time zone time_zone;
    end if;
    return (today + interval '1 day') at time zone time_zone;
exception when invalid_parameter_value then
    return public.next_digest(hour, 'UTC', after);
end
$$;
-- +goose StatementEnd
comment on function next_digest(int, text, timestamptz) is 'the first such hour after a moment';
